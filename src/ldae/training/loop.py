"""The training loop: from the first step, or from where a training was killed, to its result."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from ldae.config import Training
from ldae.errors import UserError
from ldae.runtime import seeded_generator
from ldae.training.batches import Batch, Batches, Examples
from ldae.training.checkpoint import Checkpoint
from ldae.training.ema import Ema, load_trained_state, trained_state
from ldae.training.journal import Journal, Pace, mean_record
from ldae.training.plan import learning_rate_factor, optimiser_steps
from ldae.training.signals import interruptions
from ldae.training.steps import Step

RECORDS = 500  # training lines in the journal, whatever the length
Validate = Callable[[], dict[str, float]]


@dataclass
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    stale: int = 0  # validations since the best


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
    prepare: Callable[[], None],
) -> Outcome:
    """Train until the budget is spent or validation has stopped improving.

    Args:
        step: what one optimiser step does.
        name: of the training, in messages.
        fabric: device, precision and launching.
        train: the training examples.
        validate: gives `loss` and what else to report; called with averaged weights.
        settings: batch, rate, budget and validation.
        seed: of the run; with the step it decides order, noise and dropout.
        checkpoint: where to continue from and where to leave the state.
        prepare: called before step 0 of a training that does not continue another.

    Raises:
        UserError: there are no examples, or the loss is not finite.
        SystemExit: a SIGTERM or SIGUSR1 arrived; the state is saved.
    """
    batches = Batches(train, settings.batch_size, settings.accumulate, seed)
    steps = optimiser_steps(settings, len(train))
    progress, best, window = Progress(), dict[str, Tensor](), list[dict[str, float]]()
    state = checkpoint.load()
    if state is None:
        prepare()
    ema = Ema(step.averaged, settings.ema_decay)
    if state is not None:
        progress, best, window = _restore(state, step, ema)
        logging.info("%s: continuing at step %d of %d", name, progress.step, steps)
    journal = Journal(checkpoint.folder / "train.jsonl", resumed_at=progress.step)
    pace = Pace(first_step=progress.step, samples_per_step=batches.samples_per_step)
    earlier = progress.seconds

    with interruptions() as received, batches.following(progress.step) as following:
        while progress.step < steps and not _stopped_early(progress, settings):
            _set_mode(step, training=True)
            micro_batches = [batch.to(fabric.device) for batch in next(following)]
            torch.manual_seed(seeded_generator(seed, "dropout", progress.step).initial_seed())
            seen = progress.step * batches.samples_per_step
            metrics = step.gradients(micro_batches, samples_seen=seen)
            _require_finite(metrics["loss"], name=name, step=progress.step, batches=micro_batches)
            rate = learning_rate_factor(settings, progress.step, steps)
            metrics |= step.update(rate)
            ema.update()
            progress.step += 1
            progress.seconds = earlier + pace.seconds()

            window.append(metrics)
            if progress.step % max(1, steps // RECORDS) == 0 or progress.step == steps:
                journal.write(
                    _where(progress, batches)
                    | mean_record(window)
                    | {"learning_rate": settings.learning_rate * rate}
                )
                window.clear()
            if progress.step % settings.validate_every == 0 or progress.step == steps:
                measured = _validated(validate, step, ema, fabric)
                journal.write(
                    _where(progress, batches)
                    | {f"validation_{key}": value for key, value in measured.items()}
                )
                _log_validation(name, progress.step, measured)
                progress.stale += 1
                if measured["loss"] < progress.best_loss:
                    progress.best_loss, progress.best_step = measured["loss"], progress.step
                    progress.stale, best = 0, ema.weights()
            journal.progress(
                name=name, step=progress.step, steps=steps, loss=metrics["loss"], pace=pace
            )
            finished = progress.step == steps or _stopped_early(progress, settings)
            if received or finished or checkpoint.due():
                checkpoint.save(_state(progress, best, window, step, ema))
            if received:
                logging.info("%s: signal %d, saved at step %d", name, received[0], progress.step)
                raise SystemExit(128 + received[0])
    if not best:
        raise UserError(f"{name}: the validation loss was never finite; see {journal.path}")
    return Outcome(best, progress, journal.path, checkpoint.fingerprint)


def _state(
    progress: Progress,
    best: dict[str, Tensor],
    window: list[dict[str, float]],
    step: Step,
    ema: Ema,
) -> dict[str, Any]:
    return {
        "progress": asdict(progress),
        "best": best,
        "window": window,
        "ema": ema.state_dict(),
        "modules": {key: trained_state(module) for key, module in step.modules.items()},
        "optimisers": {key: each.state_dict() for key, each in step.optimisers.items()},
    }


def _restore(
    state: dict[str, Any], step: Step, ema: Ema
) -> tuple[Progress, dict[str, Tensor], list[dict[str, float]]]:
    for key, module in step.modules.items():
        load_trained_state(module, state["modules"][key])
    for key, optimiser in step.optimisers.items():
        optimiser.load_state_dict(state["optimisers"][key])
    ema.load_state_dict(state["ema"])
    return Progress(**state["progress"]), state["best"], state["window"]


@torch.no_grad()
def _validated(validate: Validate, step: Step, ema: Ema, fabric: Fabric) -> dict[str, float]:
    _set_mode(step, training=False)
    with ema.applied(), fabric.autocast():
        return validate()


def _set_mode(step: Step, *, training: bool) -> None:
    for module in step.modules.values():
        module.train(training)


def _stopped_early(progress: Progress, settings: Training) -> bool:
    return settings.patience is not None and progress.stale >= settings.patience


def _where(progress: Progress, batches: Batches) -> dict[str, float]:
    samples = progress.step * batches.samples_per_step
    return {"step": progress.step, "samples": samples, "seconds": round(progress.seconds, 3)}


def _log_validation(name: str, step: int, measured: dict[str, float]) -> None:
    numbers = ", ".join(f"{key} {value:.4g}" for key, value in measured.items())
    logging.info("%s: validation at step %d: %s", name, step, numbers)


def _require_finite(loss: float, *, name: str, step: int, batches: list[Batch]) -> None:
    if not math.isfinite(loss):
        scans = ", ".join(scan for batch in batches for scan in batch.names)
        raise UserError(
            f"{name}: the loss is {loss} at step {step} (batch: {scans}); "
            "look at these scans, lower the learning rate or use precision 32-true"
        )
