"""Where a training stands, and all that is needed to go on from there."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from ldae.config import Training
from ldae.training.ema import Ema, load_trained_state, trained_state
from ldae.training.steps import Step


class Verdict(NamedTuple):
    """What a validation says of the weights.

    Attributes:
        value: the smaller, the better.
        loss: decides where values are equal; weights whose loss is not finite are never the best.
        undecided: why the value cannot tell yet whether training improves; then patience waits.
    """

    value: float
    loss: float
    undecided: str = ""


@dataclass
class Progress:
    """What a training has done so far."""

    step: int = 0
    seconds: float = 0.0
    best_value: float = math.inf  # what validation is judged by, smaller is better
    best_loss: float = math.inf  # the validation loss at that step
    best_step: int = 0  # 0: no validation had a finite loss yet
    best: dict[str, Tensor] = field(default_factory=dict)  # weights; the first rank's alone
    stale: int = 0  # validations since the best, undecided ones left out
    undecided: int = 0  # validations that were
    window: list[dict[str, float]] = field(default_factory=list)  # steps not yet in the journal

    def judge(self, found: Verdict) -> bool:
        """Take note of a validation; says whether its weights are the best so far."""
        best = (self.best_value, self.best_loss)
        better = math.isfinite(found.loss) and (found.value, found.loss) < best
        if better:
            self.best_value, self.best_loss, self.best_step = found.value, found.loss, self.step
            self.stale = 0
        elif not found.undecided:
            self.stale += 1
        self.undecided += bool(found.undecided)
        return better

    def over(self, settings: Training, steps: int) -> bool:
        """Whether all `steps` are done, or validation has stopped improving."""
        patience = settings.patience
        return self.step >= steps or (patience is not None and self.stale >= patience)


def training_state(progress: Progress, step: Step, ema: Ema) -> dict[str, Any]:
    """What a checkpoint holds."""
    return {
        "progress": dict(vars(progress)),
        "ema": ema.state_dict(),
        "modules": {key: trained_state(module) for key, module in step.modules.items()},
        "optimisers": {key: each.state_dict() for key, each in step.optimisers.items()},
    }


def restore(state: dict[str, Any], step: Step, ema: Ema) -> Progress:
    """Take over what `training_state` gave."""
    for key, module in step.modules.items():
        load_trained_state(module, state["modules"][key])
    for key, optimiser in step.optimisers.items():
        optimiser.load_state_dict(state["optimisers"][key])
        for moments in optimiser.state.values():  # on the CPU still those of the file
            moments.update({name: value.clone() for name, value in moments.items()})
    ema.load_state_dict(state["ema"])
    progress = Progress(**state["progress"])
    progress.best = {name: tensor.clone() for name, tensor in progress.best.items()}
    return progress
