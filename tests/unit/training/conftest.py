"""A training small enough to run in a test: a line fitted to noisy points."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ldae.config import Training
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import Outcome, fit
from ldae.training.steps import GradientStep


@dataclass(frozen=True)
class Points:
    """y = 2 x + 1 with noise from the generator; point `broken` is not a number."""

    count: int = 12
    broken: int | None = None

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"point-{index}"

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        x = torch.randn(1, generator=generator)
        y = 2 * x + 1 if index != self.broken else torch.full((1,), torch.nan)
        return {"x": x, "y": y}


class Line(nn.Module):
    """A linear model with dropout and a frozen part; its loss per sample."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.slope = nn.Linear(1, 8)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(8, 1)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.register_buffer("offset", torch.zeros(1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.out(self.drop(self.slope(x))) - y).square().flatten(1).mean(1)


def settings(**changes: object) -> Training:
    values = {
        "batch_size": 4,
        "accumulate": 1,
        "learning_rate": 0.05,
        "warmup_steps": 2,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "budget": {"amount": 80, "unit": "samples"},
        "validate_every": 5,
        "patience": None,
        "precision": "32-true",
        "activation_checkpointing": False,
    }
    return Training.model_validate(values | changes)


@dataclass
class Run:
    """How a test trains the line in `folder`."""

    folder: Path
    devices: int = 0
    dropout: float = 0.2

    def __call__(self, *, seed: int = 1, broken: int | None = None, **changes: object) -> Outcome:
        plan = settings(**changes)
        checkpoint = Checkpoint(self.folder)
        fabric = launch(plan, devices=self.devices, threads=1)
        line = Line(self.dropout)
        self.line = line
        x = torch.linspace(-1, 1, 9)[:, None]

        def prepare() -> None:
            line.offset.fill_(3)

        return fit(
            GradientStep(
                line,
                line,
                fabric=fabric,
                learning_rate=plan.learning_rate,
                clip_norm=plan.clip_norm,
            ),
            name="line",
            fabric=fabric,
            train=Points(broken=broken),
            validate=lambda: {"loss": float(line(x, 2 * x + 1).mean())},
            settings=plan,
            seed=seed,
            checkpoint=checkpoint,
            origin={"settings": plan.model_dump(mode="json")},
            prepare=prepare,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    torch.set_num_threads(1)
    return Run(tmp_path / "state")
