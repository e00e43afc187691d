"""Where a training stands, and all that is needed to go on from there."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ldae.config import Training
from ldae.training.ema import Ema, load_trained_state, trained_state
from ldae.training.steps import Step


@dataclass
class Progress:
    """What a training has done so far."""

    step: int = 0
    seconds: float = 0.0
    best_value: float = math.inf  # what validation is judged by, smaller is better
    best_loss: float = math.inf  # the validation loss at that step
    best_step: int = 0  # 0: no validation had a finite loss yet
    best: dict[str, Tensor] = field(default_factory=dict)  # weights; the first rank's alone
    stale: int = 0  # validations since the best
    window: list[dict[str, float]] = field(default_factory=list)  # steps not yet in the journal

    def judge(self, value: float, loss: float) -> bool:
        """Take note of a validation's value and loss; says whether the value is the best so far."""
        better = value < self.best_value
        if better:
            self.best_value, self.best_loss, self.best_step = value, loss, self.step
        self.stale = 0 if better else self.stale + 1
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
    ema.load_state_dict(state["ema"])
    progress = Progress(**state["progress"])
    progress.best = {name: tensor.clone() for name, tensor in progress.best.items()}
    return progress
