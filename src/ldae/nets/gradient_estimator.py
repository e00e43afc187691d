"""The gradient estimator: what y_sem adds to a frozen noise predictor (Zhang et al. 2022)."""

from typing import Self

import torch
from torch import Tensor, nn

from ldae.nets.unet import Features, Head, NoisePredictor, Shape


class GradientEstimator(nn.Module):
    """A second head over a frozen trunk, modulated by y_sem: the part that trains."""

    def __init__(self, shape: Shape, cond_dim: int) -> None:
        super().__init__()
        self.condition = nn.Linear(cond_dim, shape.embedding_dim)
        self.head = Head(shape, semantic=True)

    def forward(self, features: Features, y: Tensor) -> Tensor:
        """The gradient G (B, C, X, Y, Z) for y (B, cond_dim); exactly 0 before the first step."""
        gradient: Tensor = self.head(features, self.condition(y))
        return gradient


class ShiftedNoisePredictor(nn.Module):
    """A frozen noise predictor and the gradient estimator over its trunk.

    The base never trains: it has no gradients and stays in evaluation mode. Its weights are stored
    with the model it came from; `estimator.state_dict()` is all that training changes.
    """

    def __init__(self, base: NoisePredictor, cond_dim: int) -> None:
        super().__init__()
        if base.condition is not None:
            raise ValueError("the base of a gradient estimator must be unconditional")
        self.base = base.requires_grad_(False).eval()
        self.estimator = GradientEstimator(base.shape, cond_dim)

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in while the estimator trains."""
        return self.estimator.head.blocks

    def forward(self, z_t: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(eps, G), both (B, C, X, Y, Z), for z_t (B, C, X, Y, Z), t (B,), y (B, cond_dim)."""
        with torch.no_grad():
            features = self.base.trunk(z_t, t)
            eps = self.base.head(features)
        return eps, self.estimator(features, y)

    def train(self, mode: bool = True) -> Self:
        """Switch the estimator's mode; the base stays in evaluation mode, its dropout off."""
        super().train(mode)
        self.base.eval()
        return self
