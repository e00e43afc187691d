import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.progress import Standing
from ldae.runs.jobs import Job, job_times, unfinished_jobs

SINCE = datetime.now().astimezone() - timedelta(minutes=10)
STEP = "ldm: step 200 of 800 (25 %), loss 0.5, 20.0 samples/s, 1.0 GiB, 0:06:00 left"


def state_of(run: Path, name: str, *, alive: bool = True) -> Job:
    (job,) = unfinished_jobs(run, [name], since=SINCE, alive=alive)
    return job


def test_times_are_those_of_the_benchmarks(run: Path, finish) -> None:
    assert job_times(run).empty
    finish("train_ldm", 61.5)
    finish("convert/0000", 3)
    assert job_times(run).to_dict("list") == {
        "name": ["convert/0000", "train_ldm"],
        "group": ["convert", "train_ldm"],
        "seconds": [3.0, 61.5],
    }
    (run / "benchmarks/train_ldm.tsv").write_text("nonsense\n")
    with pytest.raises(UserError, match=r"train_ldm\.tsv: not a benchmark file"):
        job_times(run)


def test_a_job_without_a_log_or_with_one_of_before_waits(run: Path, log) -> None:
    assert state_of(run, "train_ldm").state == "waiting"
    old = (SINCE - timedelta(minutes=1)).timestamp()
    os.utime(log("train_ldm", "20:00:00 INFO x"), (old, old))
    assert state_of(run, "train_ldm").state == "waiting"


def test_a_job_at_work_says_where_it_stands(run: Path, log) -> None:
    log("train_ldm", f"20:00:00 INFO {STEP}")
    job = state_of(run, "train_ldm")
    assert job.state == "running"
    assert job.standing == Standing(200, 800, "steps", 0.5, 360.0)
    assert job.seconds == pytest.approx(120, abs=2.5)
    assert job.silent < 2
    assert state_of(run, "train_ldm", alive=False).state == "stopped"


def test_a_job_that_began_before_midnight_has_taken_minutes(run: Path, log) -> None:
    path = log("train_ldm", "x")
    first = path.read_text().splitlines()[0]
    later = datetime.now() + timedelta(minutes=3)
    path.write_text(path.read_text().replace(first[:8], f"{later:%H:%M:%S}"))
    assert state_of(run, "train_ldm").seconds == pytest.approx(86400 - 180, abs=3)


@pytest.mark.parametrize(
    "word",
    [
        "ldae train-ldm: no training scans: the table has none",
        "torch.OutOfMemoryError: CUDA out of memory",
        "KeyError: 'x'",
    ],
)
def test_a_failed_job_is_told_by_its_last_word(run: Path, log, word: str) -> None:
    log("train_ldm", f"20:00:00 INFO {STEP}", word)
    job = state_of(run, "train_ldm")
    assert (job.state, job.last_word) == ("failed", word)


def test_silence_is_measured(run: Path, log) -> None:
    path = log("train_ldm", "20:00:00 INFO x")
    spoke = time.time() - 60
    os.utime(path, (spoke, spoke))
    assert state_of(run, "train_ldm").silent == pytest.approx(60, abs=2)


def test_a_job_that_ended_well_waits_to_be_done_again(run: Path, log, finish) -> None:
    path = log("train_ldm", f"20:00:00 INFO {STEP}")
    finish("train_ldm", 61.5)
    assert state_of(run, "train_ldm").state == "waiting"
    later = time.time() + 5
    os.utime(path, (later, later))
    assert state_of(run, "train_ldm").state == "running"


def test_an_interrupted_training_took_all_its_attempts(run: Path, finish) -> None:
    finish("train_ldm", 61.5)
    finish("embed/ldm", 3)
    journal = run / "models/ldm/train.jsonl"
    journal.parent.mkdir(parents=True)
    for seconds in (600.25, 12.5):  # the second, as if a finished one were started again
        journal.write_text(f'{{"seconds": 1.5}}\n{{"seconds": {seconds}}}\n')
        assert job_times(run)["seconds"].to_list() == [3.0, max(seconds, 61.5)]
