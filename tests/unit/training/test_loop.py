import json
import logging
import math
import os
import signal
from collections.abc import Callable

import pytest
import torch

from ldae.config import Training
from ldae.errors import UserError
from ldae.training import loop
from ldae.training.checkpoint import Checkpoint
from ldae.training.plan import learning_rate_factor, optimiser_steps


def bytes_of(outcome: loop.Outcome) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in outcome.weights.items()}


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def in_step(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Let something happen within a step, between its gradients and its update."""

    def acting(plan: Training, step: int, steps: int) -> float:
        if step == number:
            act()
        return learning_rate_factor(plan, step, steps)

    patch.setattr(loop, "learning_rate_factor", acting)


def kill() -> None:
    raise Killed


def test_a_training_learns_and_reports(run) -> None:
    outcome = run()
    records = [json.loads(line) for line in outcome.journal.read_text().splitlines()]
    validation = [r["validation_loss"] for r in records if "validation_loss" in r]
    assert len(validation) == 4
    assert max(validation) < 0.5  # untrained: 2.3
    training = [r for r in records if "loss" in r]
    assert [r["step"] for r in training] == list(range(1, 21))
    assert training[-1]["samples"] == 80
    assert {"loss", "grad_norm", "learning_rate", "seconds"} <= set(training[0])
    assert outcome.progress.best_loss == min(validation)
    assert outcome.weights["offset"].item() == 3  # prepared before step 0
    assert not any(name.startswith("frozen") for name in outcome.weights)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(run, tmp_path) -> None:
    first = bytes_of(run())
    run.folder = tmp_path / "again"
    assert bytes_of(run()) == first
    run.folder = tmp_path / "other"
    assert bytes_of(run(seed=2)) != first


@pytest.mark.parametrize("step", [1, 7, 19])
def test_a_killed_training_ends_as_if_nothing_had_happened(
    run, tmp_path, monkeypatch, step
) -> None:
    whole = run()
    run.folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: True)
        in_step(patch, step, kill)
        with pytest.raises(Killed):
            run()
    resumed = run()
    assert bytes_of(resumed) == bytes_of(whole)
    assert [_untimed(line) for line in resumed.journal.read_text().splitlines()] == [
        _untimed(line) for line in whole.journal.read_text().splitlines()
    ]


def _untimed(line: str) -> dict[str, float]:
    return {key: value for key, value in json.loads(line).items() if key != "seconds"}


def test_a_finished_training_is_not_repeated(run, monkeypatch) -> None:
    first = bytes_of(run())
    monkeypatch.setattr(loop, "learning_rate_factor", None)  # a step would call it
    assert bytes_of(run()) == first


def test_another_setting_starts_anew_and_says_which(run, caplog) -> None:
    run()
    with caplog.at_level(logging.INFO):
        changed = run(learning_rate=0.04)
    assert "settings.learning_rate: 0.05 -> 0.04" in caplog.text
    assert len(changed.journal.read_text().splitlines()) == 24


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_the_state_and_leaves(run, monkeypatch, number) -> None:
    with monkeypatch.context() as patch:
        in_step(patch, 6, lambda: os.kill(os.getpid(), number))
        with pytest.raises(SystemExit) as left:
            run()
    assert left.value.code == 128 + number
    assert torch.load(run.folder / "checkpoint.pt")["state"]["progress"]["step"] == 7
    assert signal.getsignal(number) is signal.SIG_DFL


def test_accumulated_micro_batches_are_one_batch(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    whole = run(batch_size=8, accumulate=1)
    run.folder = tmp_path / "accumulated"
    parts = run(batch_size=2, accumulate=4)
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(parts.weights[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_with_step_and_scans(run) -> None:
    with pytest.raises(UserError, match=r"line: the loss is nan at step \d.*point-3"):
        run(broken=3)
    assert all(torch.isfinite(p).all() for p in run.line.parameters())


def test_validation_that_no_longer_improves_stops_and_the_best_weights_stay(run) -> None:
    outcome = run(
        learning_rate=1e-12, patience=2, validate_every=1, ema_decay=0.0, schedule="constant"
    )
    assert outcome.progress.step == outcome.progress.best_step + 2
    assert outcome.progress.step < 20


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"step": 1})

    def full(content: object, file: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(UserError, match="No space left"):
            checkpoint.save({"step": 2})
    assert checkpoint.load({}) == {"step": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "lock"]


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(tmp_path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="delete it"):
        Checkpoint(tmp_path).load({})


def plan(**changes: object) -> Training:
    values = {
        "batch_size": 4,
        "accumulate": 2,
        "learning_rate": 1.0,
        "warmup_steps": 10,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "budget": {"amount": 3, "unit": "epochs"},
        "validate_every": 5,
        "patience": None,
        "precision": "32-true",
        "activation_checkpointing": False,
    }
    return Training.model_validate(values | changes)


def test_the_budget_counts_epochs_or_samples() -> None:
    assert optimiser_steps(plan(), 100) == math.ceil(300 / 8)
    assert optimiser_steps(plan(budget={"amount": 64, "unit": "samples"}), 100) == 8
    with pytest.raises(UserError, match="no training scans"):
        optimiser_steps(plan(), 0)


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    rates = [learning_rate_factor(plan(), step, 110) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1
    assert rates[60] == pytest.approx(0.5)
    assert rates[-1] < 1e-3
    assert learning_rate_factor(plan(schedule="constant"), 100, 110) == 1
