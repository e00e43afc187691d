"""Several processes train as one would: the same curve, one writer, one decision."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


def curve(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "train.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "weights")


def assert_same(ours: Path, theirs: Path) -> None:
    for a, b in zip(curve(ours), curve(theirs), strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-5)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-6)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rank_1(folder: Path) -> Path:
    return Path("/proc", (folder / "rank-1").read_text())


@pytest.mark.parametrize(
    ("ranks", "batch_size", "accumulate", "dropout"),
    [(2, 2, 2, 0.2), (2, 4, 1, 0.0), (2, 1, 3, 0.0), (3, 2, 2, 0.0)],
)
def test_the_curve_does_not_depend_on_the_number_of_ranks(
    server, tmp_path, ranks, batch_size, accumulate, dropout
) -> None:
    """With whole micro-batches for each rank dropout is the same, too."""
    order = {
        "dropout": dropout,
        "changes": {"batch_size": batch_size, "accumulate": accumulate, "patience": 3},
    }
    assert server.run(folder=tmp_path / "one", **order) == 0
    assert server.run(folder=tmp_path / "several", ranks=ranks, **order) == 0, (
        server.log.read_text()
    )
    assert_same(tmp_path / "several", tmp_path / "one")


def test_a_signal_to_one_rank_ends_all_and_any_number_resumes(server, tmp_path) -> None:
    order = {"changes": {"batch_size": 2, "accumulate": 2}}
    assert server.run(folder=tmp_path / "whole", **order) == 0
    cut = tmp_path / "cut"
    assert server.run(folder=cut, ranks=2, fault="terminated", **order) == 128 + signal.SIGUSR1
    assert torch.load(cut / "checkpoint.pt")["state"]["progress"]["step"] == 9  # the next one
    assert server.run(folder=cut, **order) == 0
    assert_same(cut, tmp_path / "whole")


def test_no_rank_outlives_the_first(server, tmp_path) -> None:
    child = server.start(
        folder=tmp_path, ranks=2, changes={"budget": {"amount": 9999, "unit": "epochs"}}
    )
    wait_for((tmp_path / "checkpoint.pt").is_file)
    assert rank_1(tmp_path).exists()
    os.kill(child, signal.SIGKILL)
    assert server.status() == -signal.SIGKILL
    wait_for(lambda: not rank_1(tmp_path).exists())


def test_a_loss_that_is_not_finite_on_another_rank_is_named_by_the_first(server, tmp_path) -> None:
    broken = {"broken": 3, "batch_size": 1, "accumulate": 2}
    assert server.run(folder=tmp_path, ranks=2, changes=broken) == 1
    said = server.log.read_text().split(": the loss is nan ")
    assert "(batch: point-3);" in said[-1]
