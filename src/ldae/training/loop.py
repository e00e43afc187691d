"""The training loop: from the first step, or from where a training was killed, to its result."""

import itertools
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.fabric import Fabric
from torch import Tensor

from ldae.config import Training
from ldae.errors import UserError
from ldae.training.batches import Batch, Batches, Examples
from ldae.training.checkpoint import Checkpoint
from ldae.training.ema import Ema
from ldae.training.journal import Journal, Pace, mean_record
from ldae.training.plan import learning_rate_factor, optimiser_steps
from ldae.training.progress import Progress, Verdict, restore, training_state
from ldae.training.ranks import gathered, highest, start_equal, sum_over_ranks
from ldae.training.signals import interruptions
from ldae.training.steps import Step

# Raise it whenever the same settings and inputs train to other weights than before, by a mended
# fault as by a new choice: in this room, in the objectives, the networks or the order of data.
# States of another recipe, finished ones too, are not continued.
TRAINING_RECIPE = 1
RECORDS = 500  # training lines in the journal, whatever the length
Validate = Callable[[], dict[str, float]]


def by_loss(measured: dict[str, float]) -> Verdict:
    """How validation is judged where nothing else is said."""
    return Verdict(measured["loss"], measured["loss"])


@dataclass(frozen=True)
class Outcome:
    """The averaged weights of the best validation, and how the training went."""

    weights: dict[str, Tensor]
    progress: Progress
    journal: Path
    fingerprint: str

    def summary(self) -> dict[str, Any]:
        """For the model's config.json. Nothing in it depends on the machine's speed."""
        return {
            "steps": self.progress.step,
            "best_step": self.progress.best_step,
            "best_validation_loss": self.progress.best_loss,
        }


def fit(  # noqa: PLR0913  (what a training consists of)
    step: Step,
    *,
    name: str,
    fabric: Fabric,
    train: Examples,
    validate: Validate,
    settings: Training,
    seed: int,
    checkpoint: Checkpoint,
    origin: dict[str, Any],
    prepare: Callable[[], None],
    judged_by: Callable[[dict[str, float]], Verdict] = by_loss,
) -> Outcome:
    """Train until the budget is spent or validation has stopped improving.

    Every rank calls this; the first one alone writes, and has the outcome's weights.

    Args:
        step: what one optimiser step does.
        name: of the training, in messages.
        fabric: ranks, device and precision.
        train: the training examples.
        validate: gives `loss` and what else to report, the same on every rank; called with
            averaged weights.
        settings: batch, rate, budget and validation.
        seed: of the run; with the position it decides order, noise and dropout.
        checkpoint: where to continue from and where to leave the state.
        origin: all that decides the result besides the code: settings, hashes of inputs.
        prepare: called before step 0 of a training that does not continue another.
        judged_by: what the numbers that `validate` gives say of the weights.

    Raises:
        UserError: there are no examples, or a loss or a gradient is not finite.
        SystemExit: a SIGTERM or SIGUSR1 arrived; the state is saved.
    """
    steps = optimiser_steps(settings, len(train))
    state = checkpoint.load({"recipe": TRAINING_RECIPE, **origin})
    if state is None:
        prepare()
        start_equal(fabric, step.modules.values())
    ema = Ema(step.averaged, settings.ema_decay)
    progress = Progress() if state is None else restore(state, step, ema)
    del state
    how = "starting" if progress.step == 0 else "continuing"
    logging.info("%s: %s at step %d of %d", name, how, progress.step, steps)
    batches = Batches(
        train,
        settings.batch_size,
        settings.accumulate,
        seed,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
    )
    path = checkpoint.folder / "train.jsonl"
    journal = Journal(path if fabric.is_global_zero else None, resumed_at=progress.step)
    pace = Pace(first_step=progress.step, samples_per_step=batches.samples_per_step)
    earlier, pinned = progress.seconds, fabric.device.type == "cuda"

    with interruptions() as received, batches.following(progress.step, pinned=pinned) as following:
        while not progress.over(settings, steps):
            _set_mode(step, training=True)
            rate = learning_rate_factor(settings, progress.step, steps)
            metrics = _one_step(
                step,
                next(following),
                fabric,
                samples_seen=batches.before(progress.step),
                rate=rate,
                where=f"{name}: step {progress.step}",
            )
            ema.update()
            progress.step += 1
            progress.seconds = earlier + pace.seconds()
            at = _where(progress, batches)

            progress.window.append(metrics)
            if progress.step % max(1, steps // RECORDS) == 0 or progress.step == steps:
                journal.write(
                    at
                    | mean_record(progress.window)
                    | {"learning_rate": settings.learning_rate * rate}
                )
                progress.window.clear()
            if progress.step % settings.validate_every == 0 or progress.step == steps:
                measured = _validated(validate, step, ema, fabric)
                journal.write(at | {f"validation_{key}": value for key, value in measured.items()})
                _log_validation(name, progress.step, measured)
                verdict = judged_by(measured)
                if progress.judge(verdict) and fabric.is_global_zero:
                    progress.best = ema.weights()
                if verdict.undecided and progress.undecided == 1:
                    logging.warning("%s: %s: patience waits", name, verdict.undecided)
            journal.progress(
                name=name, step=progress.step, steps=steps, loss=metrics["loss"], pace=pace
            )
            leaving = highest(fabric, received[0] if received else 0)
            due = leaving or progress.over(settings, steps) or checkpoint.due()
            if due and fabric.is_global_zero:
                checkpoint.save(training_state(progress, step, ema))
            if leaving:
                _leave(fabric, leaving, where=f"{name}: step {progress.step}")
    if progress.best_step == 0:
        raise UserError(f"{name}: the validation loss was never finite; see {path}")
    return Outcome(progress.best, progress, path, checkpoint.fingerprint)


def _one_step(
    step: Step, batches: list[Batch], fabric: Fabric, *, samples_seen: int, rate: float, where: str
) -> dict[str, float]:
    """What there is to report; weights change only where all of it is finite."""
    reported = step.gradients(batches, samples_seen=samples_seen)
    losses = _of_the_step(fabric, batches, reported)
    try:
        _require_finite(losses)
        return losses | step.update(rate)
    except FloatingPointError as fault:
        scans = ", ".join(_suspects(fabric, batches, reported))
        raise UserError(
            f"{where}: {fault} (batch: {scans}); "
            "look at these scans, lower the learning rate or use precision 32-true"
        ) from None


def _of_the_step(
    fabric: Fabric, batches: list[Batch], reported: list[dict[str, Tensor]]
) -> dict[str, float]:
    """The mean of each quantity reported over all examples of a step, whatever rank had them."""
    parts = [batch.share * _row(of) for batch, of in zip(batches, reported, strict=True)]
    total = sum_over_ranks(fabric, torch.stack(parts).sum(0))
    return dict(zip(reported[0], total.tolist(), strict=True))


def _row(of: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.float() for value in of.values()])


def _require_finite(losses: dict[str, float]) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            part = "" if name == "loss" else f"{name} "
            raise FloatingPointError(f"the {part}loss is {value}")


def _suspects(
    fabric: Fabric, batches: list[Batch], reported: list[dict[str, Tensor]]
) -> Iterable[str]:
    """The scans of the first micro-batch with a loss that is not finite, else of the whole step."""
    pairs = zip(batches, reported, strict=True)
    mine = [batch.names for batch, of in pairs if not _row(of).isfinite().all()]
    everyone = gathered(fabric, [batch.names for batch in batches])
    return itertools.chain.from_iterable(gathered(fabric, mine)[:1] or everyone)


def _leave(fabric: Fabric, signal: int, *, where: str) -> NoReturn:
    fabric.barrier()  # the first rank has saved
    logging.info("%s: signal %d, saved", where, signal)
    raise SystemExit(128 + signal if fabric.is_global_zero else 0)


@torch.no_grad()
def _validated(validate: Validate, step: Step, ema: Ema, fabric: Fabric) -> dict[str, float]:
    _set_mode(step, training=False)
    with ema.applied(), fabric.autocast():
        return validate()


def _set_mode(step: Step, *, training: bool) -> None:
    for module in step.modules.values():
        module.train(training)


def _where(progress: Progress, batches: Batches) -> dict[str, float]:
    return {
        "step": progress.step,
        "samples": batches.before(progress.step),
        "seconds": round(progress.seconds, 3),
    }


def _log_validation(name: str, step: int, measured: dict[str, float]) -> None:
    numbers = ", ".join(f"{key} {value:.4g}" for key, value in measured.items())
    logging.info("%s: validation at step %d: %s", name, step, numbers)
