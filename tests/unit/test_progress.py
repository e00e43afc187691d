"""What logs say of progress, and that it can be read back."""

import logging
from pathlib import Path

import pytest

from ldae.progress import PROGRESS_SECONDS, Standing, Tally, duration, last_standing
from ldae.training.journal import Journal, Pace


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_a_tally_speaks_every_ten_seconds_and_at_the_end(said) -> None:
    clock = Clock()
    tally = Tally("bucket 0000", 8, clock=clock)
    for _ in range(8):
        clock.now += 4.0
        tally.add()
    assert said.messages == [
        "bucket 0000: 3 of 8 scans (38 %), 4.0 s each, 0:00:20 left",
        "bucket 0000: 6 of 8 scans (75 %), 4.0 s each, 0:00:08 left",
        "bucket 0000: 8 of 8 scans (100 %), 4.0 s each, 0:00:00 left",
    ]


def test_scans_that_were_finished_before_do_not_promise_a_pace_for_long(said) -> None:
    clock = Clock()
    tally = Tally("bucket", 1000, clock=clock)
    for _ in range(500):
        tally.add()
    for _ in range(100):
        clock.now += 10.0
        tally.add()
    assert said.messages[-1] == "bucket: 600 of 1000 scans (60 %), 10.0 s each, 1:06:40 left"


def test_fast_items_have_a_rate_and_an_empty_tally_is_silent(said) -> None:
    clock = Clock()
    assert list(Tally("x", 0, clock=clock).over([])) == []
    tally = Tally("x", 64, unit="images", clock=clock)
    for _ in tally.over(range(64)):
        clock.now += 0.125
    assert said.messages == ["x: 64 of 64 images (100 %), 8.0 per s, 0:00:00 left"]


def test_what_a_tally_says_is_read_back(tmp_path: Path, said) -> None:
    clock, log = Clock(), tmp_path / "x.log"
    tally = Tally("bucket 0000", 100_000, unit="test scans", clock=clock)
    clock.now = 2 * PROGRESS_SECONDS
    tally.add(2)
    log.write_text(f"20:00:00 INFO $ ldae\n20:00:20 INFO {said.messages[-1]}\n20:00:21 INFO hm\n")
    left = 99_998 * PROGRESS_SECONDS
    assert last_standing(log) == Standing(2, 100_000, "test scans", None, left)


def test_what_a_training_says_is_read_back(tmp_path: Path, said) -> None:
    journal = Journal(tmp_path / "train.jsonl", resumed_at=0)
    pace = Pace(first_step=0, samples_per_step=8)
    journal.progress(name="supervised-age", step=80, steps=80, loss=0.125, pace=pace)
    log = tmp_path / "x.log"
    log.write_text(f"20:00:20 INFO {said.messages[-1]}\n")
    assert last_standing(log) == Standing(80, 80, "steps", 0.125, 0.0)


def test_no_log_and_no_progress_stand_nowhere(tmp_path: Path) -> None:
    assert last_standing(tmp_path / "none.log") is None
    (tmp_path / "x.log").write_bytes(b"10 of 12 apples\n\xff\n")
    assert last_standing(tmp_path / "x.log") is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s")],
        *[(3600, "1 h 00 min"), (172_799, "47 h 59 min"), (1_296_000, "15.0 days")],
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
