"""What every U-Net here is built of: time embedding, residual block, attention, layer.

Volumes are (B, C, X, Y, Z), embeddings (B, E).
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", nn.Conv3d, nn.Linear)


def zero_initialised(module: M) -> M:
    """`module` with weights and bias at zero: the branch it ends contributes nothing at first."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding of timesteps `t` (B,) as (B, dim): cosines, sines, a zero if dim is odd.

    Frequencies fall geometrically from 1 towards 1/10,000 (Ho et al. 2020; Vaswani et al. 2017).
    """
    half = dim // 2
    order = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) * order / half)
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim - 2 * half))


@dataclass(frozen=True)
class BlockOptions:
    """What all blocks of one network share."""

    embedding_dim: int  # width of the time and of the semantic embedding
    norm_groups: int
    dropout: float
    heads: int
    semantic: bool  # blocks are modulated by a semantic embedding besides time


class Modulation(nn.Module):
    """Scale and shift per channel from an embedding."""

    def __init__(self, embedding_dim: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_dim, 2 * channels)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, around 1, and shift, each (B, C, 1, 1, 1), from an embedding (B, E)."""
        scale, shift = self.linear(F.silu(embedding))[:, :, None, None, None].chunk(2, dim=1)
        return 1 + scale, shift


class ResBlock(nn.Module):
    """Residual block modulated by time (Dhariwal & Nichol 2021), then by y_sem (Zhang et al. 2022).

    `resample` (average pooling or nearest upsampling, no weights) acts on both branches, on the
    residual one between its first activation and its first convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        options: BlockOptions,
        resample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(options.norm_groups, in_channels)
        self.resample = resample or nn.Identity()
        self.conv_in = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.time = Modulation(options.embedding_dim, out_channels)
        self.semantic = (
            Modulation(options.embedding_dim, out_channels) if options.semantic else None
        )
        self.norm_out = nn.GroupNorm(options.norm_groups, out_channels)
        self.dropout = nn.Dropout(options.dropout)
        self.conv_out = zero_initialised(nn.Conv3d(out_channels, out_channels, 3, padding=1))
        self.skip = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv3d(in_channels, out_channels, 1)
        )

    def forward(self, x: Tensor, time: Tensor, semantic: Tensor | None) -> Tensor:
        """(B, C, X, Y, Z) to (B, out_channels, X', Y', Z'); embeddings (B, E)."""
        h = self.conv_in(self.resample(F.silu(self.norm_in(x))))
        scale, shift = self.time(time)
        if self.semantic is not None:  # outside the time modulation: the order matters
            semantic_scale, semantic_shift = self.semantic(semantic)
            scale, shift = semantic_scale * scale, semantic_scale * shift + semantic_shift
        h = self.norm_out(h) * scale + shift
        output: Tensor = self.skip(self.resample(x)) + self.conv_out(self.dropout(F.silu(h)))
        return output


def multi_head_attention(qkv: Tensor, heads: int) -> Tensor:
    """Self-attention of tokens: (B, N, 3C), channels grouped [head][q|k|v][c], to (B, N, C)."""
    batch, tokens, width = qkv.shape
    q, k, v = qkv.view(batch, tokens, heads, 3, width // (3 * heads)).permute(3, 0, 2, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, -1)


class Attention(nn.Module):
    """Self-attention over all voxels, added to its input."""

    def __init__(self, channels: int, *, options: BlockOptions) -> None:
        super().__init__()
        if channels % options.heads:
            raise ValueError(f"{channels} channels do not divide into {options.heads} heads")
        self.heads = options.heads
        self.norm = nn.GroupNorm(options.norm_groups, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = zero_initialised(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z), unchanged in shape."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, XYZ, C)
        h: Tensor = self.project(multi_head_attention(self.qkv(tokens), self.heads))
        return x + h.transpose(1, 2).reshape(x.shape)


class Layer(nn.Module):
    """A residual block, then attention and a second residual block where the network has them."""

    def __init__(
        self, first: ResBlock, attention: Attention | None = None, last: ResBlock | None = None
    ) -> None:
        super().__init__()
        self.first = first
        self.attention = attention or nn.Identity()
        self.last = last

    def forward(self, x: Tensor, time: Tensor, semantic: Tensor | None) -> Tensor:
        """(B, C, X, Y, Z) to (B, C', X', Y', Z'); embeddings (B, E)."""
        h: Tensor = self.attention(self.first(x, time, semantic))
        if self.last is not None:
            h = self.last(h, time, semantic)
        return h
