"""How long a training lasts and how fast it learns: functions of settings and step alone."""

import math

from ldae.config import Training
from ldae.errors import UserError


def optimiser_steps(settings: Training, examples: int) -> int:
    """How many steps spend the budget."""
    if examples == 0:
        raise UserError("no training scans: the table of scans has none with split 'train'")
    budget = settings.budget
    samples = budget.amount * (examples if budget.unit == "epochs" else 1)
    return max(1, math.ceil(samples / (settings.batch_size * settings.accumulate)))


def learning_rate_factor(settings: Training, step: int, steps: int) -> float:
    """Share of the learning rate at `step`: linear warm-up, then constant or a cosine down to 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return 1.0
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * done))
