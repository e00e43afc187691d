import errno
import json
import logging
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ldae.config import Training
from ldae.errors import UserError
from ldae.training import loop
from ldae.training.batches import Batch
from ldae.training.checkpoint import Checkpoint
from ldae.training.plan import learning_rate_factor, optimiser_steps
from ldae.training.progress import Progress, Verdict
from ldae.training.steps import GradientStep


def bytes_of(outcome: loop.Outcome) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in outcome.weights.items()}


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def in_step(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Let something happen when a step begins."""

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
    with pytest.raises(UserError, match=r"line: step \d: the loss is nan.*point-3"):
        run(broken=3)
    assert all(torch.isfinite(p).all() for p in run.line.parameters())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_touched(
    run, tmp_path, monkeypatch, value
) -> None:
    whole = run()
    run.folder = tmp_path / "broken"
    gradients, began = GradientStep.gradients, []

    def broken(self, batches, *, samples_seen):
        reported = gradients(self, batches, samples_seen=samples_seen)
        if samples_seen == 28:
            began.extend(p.detach().clone() for p in run.line.parameters())
            run.line.out.weight.grad.fill_(value)
        return reported

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: True)
        patch.setattr(GradientStep, "gradients", broken)
        with pytest.raises(UserError, match=rf"step 7: the gradient norm is {value} \(.*point-"):
            run()
    assert all(map(torch.equal, began, run.line.parameters()))
    assert torch.load(run.folder / "checkpoint.pt")["state"]["progress"]["step"] == 7
    assert bytes_of(run()) == bytes_of(whole)


def test_any_loss_reported_must_be_finite(run, monkeypatch) -> None:
    gradients = GradientStep.gradients

    def broken(self, batches, *, samples_seen):
        reported = gradients(self, batches, samples_seen=samples_seen)
        return [of | {"discriminator": torch.tensor(math.nan)} for of in reported]

    monkeypatch.setattr(GradientStep, "gradients", broken)
    with pytest.raises(UserError, match="line: step 0: the discriminator loss is nan"):
        run()


def test_a_sum_that_overflows_names_every_scan_of_the_step(run, monkeypatch) -> None:
    huge = torch.tensor(3e38)
    monkeypatch.setattr(loop, "_row", lambda of: huge.expand(len(of)))
    monkeypatch.setattr(loop, "sum_over_ranks", lambda fabric, values: 2 * values)
    with pytest.raises(UserError, match="the loss is inf") as raised:
        run(batch_size=2, accumulate=2)
    assert str(raised.value).count("point-") == 4


def test_micro_batches_are_moved_one_by_one(run, monkeypatch) -> None:
    here, most = [0], [0]

    class Watched(dict):
        def __init__(self, tensors) -> None:
            super().__init__(tensors)
            here[0] += 1
            most[0] = max(most[0], here[0])

        def __del__(self) -> None:
            here[0] -= 1

    to = Batch.to
    monkeypatch.setattr(
        Batch, "to", lambda self, device: replace(self, tensors=Watched(to(self, device).tensors))
    )
    run(batch_size=1, accumulate=8)
    assert most == [1]
    assert here == [0]


def test_validation_that_no_longer_improves_stops_and_the_best_weights_stay(run) -> None:
    outcome = run(
        learning_rate=1e-12, patience=2, validate_every=1, ema_decay=0.0, schedule="constant"
    )
    assert outcome.progress.step == outcome.progress.best_step + 2
    assert outcome.progress.step < 20


def test_equal_values_are_told_apart_by_the_loss_and_no_weights_without_one_are_kept() -> None:
    progress = Progress(step=1)
    assert not progress.judge(Verdict(0.0, math.nan))
    assert progress.best_step == 0
    assert progress.judge(Verdict(0.0, 0.7))
    assert not progress.judge(Verdict(0.0, 0.7))
    assert progress.stale == 1
    assert progress.judge(Verdict(0.0, 0.6))
    assert not progress.judge(Verdict(-0.5, math.inf))
    assert progress.judge(Verdict(-0.5, 0.9))
    assert (progress.best_value, progress.best_loss, progress.stale) == (-0.5, 0.9, 0)


def test_patience_waits_while_validation_cannot_tell() -> None:
    progress = Progress()
    found = [Verdict(0.0, loss, undecided="why") for loss in (0.7, 0.8, 0.8)]
    assert [progress.judge(each) for each in found] == [True, False, False]
    assert (progress.stale, progress.undecided) == (0, 3)
    progress.judge(Verdict(0.1, 0.8))
    assert progress.stale == 1


def test_a_resumed_training_holds_nothing_of_the_file_it_came_from(run, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: True)
        in_step(patch, 7, kill)
        with pytest.raises(Killed):
            run()
    mapped = []
    in_step(monkeypatch, 8, lambda: mapped.append(Path("/proc/self/maps").read_text()))
    run()
    assert str(run.folder / "checkpoint.pt") not in mapped[0]


def test_another_recipe_starts_anew_even_when_all_was_done(run, monkeypatch, caplog) -> None:
    run()
    monkeypatch.setattr(loop, "TRAINING_RECIPE", 99)
    with caplog.at_level(logging.INFO):
        run()
    assert "-> 99): starting anew" in caplog.text
    assert "line: starting at step 0" in caplog.text


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


@pytest.mark.parametrize("content", [[1, 2], {"weights": 1}])
def test_a_file_of_other_content_is_not_continued(tmp_path, caplog, content) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    assert Checkpoint(tmp_path).load({}) is None
    assert "holds no state of a training: starting anew" in caplog.text


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


def test_where_files_cannot_be_locked_training_goes_on(tmp_path, monkeypatch, caplog) -> None:
    """As on clusters whose shared folders are mounted without."""

    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("ldae.training.checkpoint.fcntl.flock", refuse)
    Checkpoint(tmp_path).save({"step": 1})
    assert "no locks here ([Errno 38] Function not implemented)" in caplog.text
