"""A training killed at any moment ends in the very bytes of one that was left alone."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

KILLS = 20


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, float]:
    """What an undisturbed training ends in, and how long it takes."""
    first, again = (tmp_path_factory.mktemp("whole") for _ in range(2))
    assert server.run(folder=first) == 0  # waits for the server, too
    started = time.monotonic()
    assert server.run(folder=again) == 0
    seconds = time.monotonic() - started
    assert (first / "weights").read_bytes() == (again / "weights").read_bytes()
    return (first / "weights").read_bytes(), seconds


def kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was faster
        os.kill(child, signal.SIGKILL)


def step_of(folder: Path) -> int:
    path = folder / "checkpoint.pt"
    return torch.load(path)["state"]["progress"]["step"] if path.is_file() else 0


def test_twenty_random_kills_change_nothing(server, whole, tmp_path) -> None:
    weights, seconds = whole
    moments = random.Random(5)
    killed, reached = 0, set()
    for attempt in range(5 * KILLS):
        folder = tmp_path / str(attempt)
        child = server.start(folder=folder)
        time.sleep(moments.uniform(0, seconds))
        kill(child)
        if server.status() == -signal.SIGKILL:
            killed += 1
            reached.add(step_of(folder))
            assert server.run(folder=folder) == 0
        assert (folder / "weights").read_bytes() == weights
        assert not list(folder.glob(".*"))
        if killed == KILLS:
            break
    assert killed == KILLS
    assert len(reached) > KILLS // 4


def test_one_training_killed_again_and_again_resumes_each_time(server, whole, tmp_path) -> None:
    weights, seconds = whole
    moments = random.Random(6)
    for _ in range(8):
        child = server.start(folder=tmp_path)
        time.sleep(moments.uniform(0, seconds / 3))
        kill(child)
        if server.status() == 0:
            break
    assert server.run(folder=tmp_path) == 0
    assert (tmp_path / "weights").read_bytes() == weights


@pytest.mark.parametrize(
    ("fault", "step"), [("torn", 7), ("unsynced", 7), ("unnamed", 7), ("named", 8)]
)
def test_killed_while_the_checkpoint_is_written_it_resumes_from_a_whole_one(
    server, whole, tmp_path, fault, step
) -> None:
    assert server.run(folder=tmp_path, fault=fault) == -signal.SIGKILL
    assert step_of(tmp_path) == step
    assert bool(list(tmp_path.glob(".*.checkpoint.pt"))) == (fault != "named")
    assert server.run(folder=tmp_path) == 0
    assert (tmp_path / "weights").read_bytes() == whole[0]
    assert not list(tmp_path.glob(".*.checkpoint.pt"))


def test_a_full_disk_stops_it_and_it_resumes_when_there_is_room(server, whole, tmp_path) -> None:
    folder, log = tmp_path / "training", tmp_path / "log"  # a log of its own has room
    assert server.run(folder=folder, fault="full", log=log) == 1
    assert "the checkpoint cannot be written ([Errno 27] File too large)" in log.read_text()
    assert step_of(folder) == 7
    left = {path.name for path in folder.iterdir()}
    assert left == {"checkpoint.pt", "lock", "rank-0", "tensorboard", "train.jsonl"}
    assert server.run(folder=folder) == 0
    assert (folder / "weights").read_bytes() == whole[0]
