"""A semantic encoder of whole volumes: 3D convolutions whose last grid keeps where things are."""

from itertools import pairwise
from math import prod

from torch import Tensor, nn


class Refinement(nn.Module):
    """A residual convolution, normalised before it."""

    def __init__(self, width: int, *, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, width)
        self.activation = nn.SiLU()
        self.conv = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, X, Y, Z), unchanged in shape."""
        refined: Tensor = x + self.conv(self.activation(self.norm(x)))
        return refined


class Stage(nn.Module):
    """A convolution that halves every axis (odd sizes are rounded up), then refinements."""

    def __init__(self, in_width: int, width: int, *, depth: int, norm_groups: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(in_width, width, 3, stride=2, padding=1)
        self.refine = nn.Sequential(
            *[Refinement(width, norm_groups=norm_groups) for _ in range(depth)]
        )
        self.norm = nn.GroupNorm(norm_groups, width)
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_width, X, Y, Z) to (B, width, X / 2, Y / 2, Z / 2)."""
        features: Tensor = self.activation(self.norm(self.refine(self.reduce(x))))
        return features


class VolumetricEncoder(nn.Module):
    """Volumes to semantic codes y_sem by 3D convolutions (ours; the paper's goes by slices).

    The code is linear in the features of all `pool` cells together, so that the same anatomy at
    another place gives another code: an average over the volume would lose that.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        norm_groups: int,
        pool: tuple[int, int, int],
        embedding_dim: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.stages = nn.ModuleList(
            Stage(before, width, depth=depth, norm_groups=norm_groups)
            for (before, width), depth in zip(pairwise([1, *widths]), depths, strict=True)
        )
        self.pool = nn.AdaptiveAvgPool3d(pool)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(widths[-1] * prod(pool), embedding_dim)

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in (see `recompute_activations`)."""
        return list(self.stages)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) to (B, widths[-1], *pool)."""
        for stage in self.stages:
            x = stage(x)
        pooled: Tensor = self.pool(x)
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) to (B, embedding_dim)."""
        if x.shape[1] != 1:
            raise ValueError(f"volumes must have one channel, not {x.shape[1]}")
        y_sem: Tensor = self.project(self.dropout(self.features(x).flatten(1)))
        return y_sem
