"""The 3D U-Net that predicts noise: a `Trunk` (encoder) and a `Head` (middle and decoder).

The gradient estimator is a second head over the same trunk, so the decoder is written once.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, cat, nn

from ldae.nets.blocks import (
    Attention,
    BlockOptions,
    Layer,
    ResBlock,
    time_embedding,
    zero_initialised,
)


@dataclass(frozen=True)
class Shape:
    """The form of a U-Net; trunk and heads that work together have the same one."""

    in_channels: int
    base_channels: int
    multipliers: tuple[int, ...]  # channels per level, in units of base_channels
    res_blocks: int  # per level of the trunk; a head has one more
    attention_at: tuple[int, ...]  # down-sampling factors at which attention is used: 1, 2, 4
    heads: int
    norm_groups: int
    dropout: float
    downsample: tuple[int, int, int]  # factor per axis between levels

    def __post_init__(self) -> None:
        unused = set(self.attention_at) - set(self.factors)
        if unused:
            raise ValueError(
                f"attention_at {sorted(unused)}: the levels' factors are {self.factors}"
            )

    @property
    def widths(self) -> list[int]:
        """Channels of each level."""
        return [self.base_channels * multiplier for multiplier in self.multipliers]

    @property
    def factors(self) -> list[int]:
        """Down-sampling factor of each level along its most reduced axis."""
        return [max(self.downsample) ** level for level in range(len(self.multipliers))]

    @property
    def embedding_dim(self) -> int:
        """Width of the time and of the semantic embedding."""
        return 4 * self.base_channels

    @property
    def skip_channels(self) -> list[int]:
        """Channels of the trunk's outputs, in the order they are made."""
        channels = [self.widths[0]]
        for level, width in enumerate(self.widths):
            channels += [width] * self.res_blocks
            if level < len(self.widths) - 1:
                channels.append(width)
        return channels

    def options(self, *, semantic: bool) -> BlockOptions:
        """What the blocks of a trunk or head of this form share."""
        return BlockOptions(
            embedding_dim=self.embedding_dim,
            norm_groups=self.norm_groups,
            dropout=self.dropout,
            heads=self.heads,
            semantic=semantic,
        )


class Features(NamedTuple):
    """What a trunk hands to its heads."""

    skips: list[Tensor]  # one (B, C, X, Y, Z) per trunk layer, the last also starts the heads
    time: Tensor  # (B, E)


class Trunk(nn.Module):
    """Time embedding and encoder half of the U-Net."""

    def __init__(self, shape: Shape, *, semantic: bool) -> None:
        super().__init__()
        self.shape = shape
        options = shape.options(semantic=semantic)
        self.time_mlp = nn.Sequential(
            nn.Linear(shape.base_channels, shape.embedding_dim),
            nn.SiLU(),
            nn.Linear(shape.embedding_dim, shape.embedding_dim),
        )
        channels = shape.widths[0]
        self.stem = nn.Conv3d(shape.in_channels, channels, 3, padding=1)
        self.layers = nn.ModuleList()
        for level, (width, factor) in enumerate(zip(shape.widths, shape.factors, strict=True)):
            if level > 0:
                pool = nn.AvgPool3d(shape.downsample)
                self.layers.append(
                    Layer(ResBlock(channels, channels, options=options, resample=pool))
                )
            for _ in range(shape.res_blocks):
                block = ResBlock(channels, width, options=options)
                attends = factor in shape.attention_at
                self.layers.append(
                    Layer(block, Attention(width, options=options) if attends else None)
                )
                channels = width

    def forward(self, x: Tensor, t: Tensor, semantic: Tensor | None = None) -> Features:
        """Features of `x` (B, C, X, Y, Z) at timesteps `t` (B,).

        Raises ValueError where the volume cannot be halved evenly all the way down.
        """
        self._check_size(x)
        time = self.time_mlp(time_embedding(t, self.shape.base_channels).to(x.dtype))
        skips = [self.stem(x)]
        for layer in self.layers:
            skips.append(layer(skips[-1], time, semantic))
        return Features(skips, time)

    def _check_size(self, x: Tensor) -> None:
        reductions = len(self.shape.multipliers) - 1
        multiples = [factor**reductions for factor in self.shape.downsample]
        if any(size % multiple for size, multiple in zip(x.shape[2:], multiples, strict=True)):
            raise ValueError(
                f"volume of size {tuple(x.shape[2:])}: axes must be multiples of {multiples} for "
                f"{reductions} reductions by {self.shape.downsample}"
            )


class Head(nn.Module):
    """Middle and decoder half of the U-Net; its output is 0 before the first training step."""

    def __init__(self, shape: Shape, *, semantic: bool) -> None:
        super().__init__()
        options = shape.options(semantic=semantic)
        channels = shape.widths[-1]
        self.middle = Layer(
            ResBlock(channels, channels, options=options),
            Attention(channels, options=options),
            ResBlock(channels, channels, options=options),
        )
        skips = shape.skip_channels
        self.layers = nn.ModuleList()
        for level in reversed(range(len(shape.widths))):
            width, factor = shape.widths[level], shape.factors[level]
            for position in range(shape.res_blocks + 1):
                block = ResBlock(channels + skips.pop(), width, options=options)
                attends = factor in shape.attention_at
                ends_level = level > 0 and position == shape.res_blocks
                self.layers.append(
                    Layer(
                        block,
                        Attention(width, options=options) if attends else None,
                        _upsampling(width, shape, options) if ends_level else None,
                    )
                )
                channels = width
        self.norm = nn.GroupNorm(shape.norm_groups, channels)
        self.conv = zero_initialised(nn.Conv3d(channels, shape.in_channels, 3, padding=1))

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in (see `recompute_activations`)."""
        return [self.middle, *self.layers]

    def forward(self, features: Features, semantic: Tensor | None = None) -> Tensor:
        """(B, in_channels, X, Y, Z) from a trunk's features and a semantic embedding (B, E)."""
        h = self.middle(features.skips[-1], features.time, semantic)
        for layer, skip in zip(self.layers, reversed(features.skips), strict=True):
            h = layer(cat([h, skip], dim=1), features.time, semantic)
        output: Tensor = self.conv(F.silu(self.norm(h)))
        return output


def _upsampling(width: int, shape: Shape, options: BlockOptions) -> ResBlock:
    upsample = nn.Upsample(scale_factor=tuple(float(factor) for factor in shape.downsample))
    return ResBlock(width, width, options=options, resample=upsample)


class NoisePredictor(nn.Module):
    """Predicts the noise in a noisy latent or volume.

    With `cond_dim` every block is modulated by a code y too: the voxel-space diffusion autoencoder
    (Preechakul et al. 2022). Without it, the unconditional diffusion model (Ho et al. 2020).
    """

    def __init__(  # noqa: PLR0913  (each is a choice of the configuration)
        self,
        *,
        in_channels: int,
        base_channels: int,
        multipliers: tuple[int, ...],
        res_blocks: int,
        attention_at: tuple[int, ...],
        heads: int,
        norm_groups: int,
        dropout: float,
        downsample: tuple[int, int, int],
        cond_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.shape = Shape(
            in_channels=in_channels,
            base_channels=base_channels,
            multipliers=multipliers,
            res_blocks=res_blocks,
            attention_at=attention_at,
            heads=heads,
            norm_groups=norm_groups,
            dropout=dropout,
            downsample=downsample,
        )
        self.condition = None if cond_dim is None else nn.Linear(cond_dim, self.shape.embedding_dim)
        self.trunk = Trunk(self.shape, semantic=cond_dim is not None)
        self.head = Head(self.shape, semantic=cond_dim is not None)

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in (see `recompute_activations`)."""
        return [*self.trunk.layers, *self.head.blocks]

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Noise (B, C, X, Y, Z) for x (B, C, X, Y, Z), t (B,) and, if conditional, y (B, cond_dim).

        Raises ValueError where y is missing or not wanted, or a size does not halve evenly.
        """
        if (y is None) != (self.condition is None):
            raise ValueError("a code y is needed by a network with cond_dim, and by no other")
        semantic = None if self.condition is None else self.condition(y)
        eps: Tensor = self.head(self.trunk(x, t, semantic), semantic)
        return eps
