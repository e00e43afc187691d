"""The semantic encoder: a 2D ConvNeXt over axial slices, pooled across slices by attention."""

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from ldae.nets.volumetric_encoder import VolumetricEncoder


class SliceEncoder(nn.Module):
    """ConvNeXt (Liu et al. 2022) of any width and depth on single-channel slices.

    Pooling to more cells than (1, 1) keeps where in the slice something is.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        stochastic_depth: float,
        pool: tuple[int, int],
        embedding_dim: int,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or sum(depths) < 2:
            raise ValueError(
                f"widths {widths} and depths {depths}: one each per stage, 2 blocks or more"
            )
        stages = [
            CNBlockConfig(width, following, depth)
            for (width, following), depth in zip(pairwise([*widths, None]), depths, strict=True)
        ]
        self.features = ConvNeXt(stages, stochastic_depth_prob=stochastic_depth).features
        self.features[0][0] = _grey_stem(widths[0])
        self.pool = nn.AdaptiveAvgPool2d(pool)
        pooled = widths[-1] * pool[0] * pool[1]
        self.norm = nn.LayerNorm(pooled, eps=1e-6)
        self.project = (
            nn.Identity() if pooled == embedding_dim else nn.Linear(pooled, embedding_dim)
        )

    def forward(self, slices: Tensor) -> Tensor:
        """(N, 1, X, Y) to (N, embedding_dim)."""
        pooled = self.norm(self.pool(self.features(slices)).flatten(1))
        features: Tensor = self.project(pooled)
        return features


def _grey_stem(width: int) -> nn.Conv2d:
    stem = nn.Conv2d(1, width, 4, stride=4)  # initialised as torchvision does for three channels
    nn.init.trunc_normal_(stem.weight, std=0.02)
    if stem.bias is not None:
        nn.init.zeros_(stem.bias)
    return stem


def slice_positions(slices: int, dim: int, device: torch.device) -> Tensor:
    """Positions (slices, dim): sines at even, cosines at odd features (Vaswani et al. 2017)."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim
    position = torch.arange(slices, dtype=torch.float32, device=device)[:, None]
    angles = position * torch.exp(-math.log(10_000) * exponents)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :dim]


class SliceAttention(nn.Module):
    """Slice features to one code by attention: their soft mean asks, all slices answer."""

    def __init__(self, embedding_dim: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(embedding_dim, 1)
        self.query = nn.Linear(embedding_dim, embedding_dim)
        self.key = nn.Linear(embedding_dim, embedding_dim)
        self.value = nn.Linear(embedding_dim, embedding_dim)
        self.attention = nn.MultiheadAttention(
            embedding_dim, heads, dropout=dropout, batch_first=True
        )
        self.norm = nn.LayerNorm(embedding_dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, S, E) to (B, E)."""
        _, slices, dim = features.shape
        features = self.dropout(features + slice_positions(slices, dim, features.device))
        weights = self.score(features).softmax(dim=1)  # (B, S, 1)
        query = (weights * features).sum(dim=1, keepdim=True)  # (B, 1, E)
        code, _ = self.attention(
            self.query(query), self.key(features), self.value(features), need_weights=False
        )
        normalised: Tensor = self.norm(code.squeeze(1))
        return normalised


class SemanticEncoder(nn.Module):
    """Volumes to semantic codes y_sem, slice by axial slice (Lozupone et al. 2025)."""

    def __init__(
        self,
        *,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        stochastic_depth: float,
        pool: tuple[int, int],
        embedding_dim: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.slice_encoder = SliceEncoder(
            widths=widths,
            depths=depths,
            stochastic_depth=stochastic_depth,
            pool=pool,
            embedding_dim=embedding_dim,
        )
        self.aggregate = SliceAttention(embedding_dim, heads=heads, dropout=dropout)

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in (see `recompute_activations`)."""
        return [block for stage in self.slice_encoder.features for block in stage]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) to (B, embedding_dim)."""
        batch, channels, *_, slices = x.shape
        if channels != 1:
            raise ValueError(f"volumes must have one channel, not {channels}")
        axial = x.permute(0, 4, 1, 2, 3).flatten(0, 1)  # (B Z, 1, X, Y)
        y_sem: Tensor = self.aggregate(self.slice_encoder(axial).unflatten(0, (batch, slices)))
        return y_sem


class StandardisedEncoder(nn.Module):
    """An encoder of deviations from the mean training volume, whose codes start with unit variance.

    Registered brains are nearly one image: fed as they are, y_sem collapses to a constant. The
    statistics are buffers, fitted by `standardise` before training and stored with the weights.
    """

    mean_volume: Tensor
    volume_scale: Tensor
    code_mean: Tensor
    code_std: Tensor

    def __init__(
        self, encoder: SemanticEncoder | VolumetricEncoder, volume_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean_volume", torch.zeros(tuple(volume_shape)))
        self.register_buffer("volume_scale", torch.ones(()))
        self.register_buffer("code_mean", torch.zeros(encoder.embedding_dim))
        self.register_buffer("code_std", torch.ones(encoder.embedding_dim))

    @property
    def blocks(self) -> list[nn.Module]:
        """The encoder's."""
        return self.encoder.blocks

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) to (B, embedding_dim)."""
        codes: Tensor = self.encoder((x - self.mean_volume) / self.volume_scale)
        return (codes - self.code_mean) / self.code_std

    @torch.no_grad()
    def standardise(self, volumes: Iterable[Tensor]) -> None:
        """Fit the input statistics to `volumes`, then the code statistics to the encoder as it is.

        `volumes` yields each training volume (X, Y, Z), leading axes of size 1 allowed. It is read
        twice, so a generator will not do. Raises ValueError where it does not vary.
        """
        self._fit_input(volumes)
        self._fit_codes(volumes)

    def _fit_input(self, volumes: Iterable[Tensor]) -> None:
        total = torch.zeros_like(self.mean_volume, dtype=torch.float64)
        squares = torch.zeros_like(total)
        count = 0
        for volume in volumes:
            x = self._single(volume)[0, 0].double()
            total += x
            squares += x.square()
            count += 1
        mean = total / max(count, 1)
        variance = (squares / max(count, 1) - mean.square()).mean()
        if not variance > 0:
            raise ValueError(f"{count} volumes without variance cannot standardise an encoder")
        self.mean_volume.copy_(mean)
        self.volume_scale.copy_(variance.sqrt())

    def _fit_codes(self, volumes: Iterable[Tensor]) -> None:
        was_training = self.training
        self.eval()
        self.code_mean.zero_()
        self.code_std.fill_(1)
        codes = torch.cat([self(self._single(volume)).double() for volume in volumes])  # (N, E)
        std, mean = torch.std_mean(codes, dim=0, correction=0)
        if not bool((std > 0).all()):
            raise ValueError("a code of the untrained encoder is the same for every volume")
        self.code_mean.copy_(mean)
        self.code_std.copy_(std)
        self.train(was_training)

    def _single(self, volume: Tensor) -> Tensor:
        expected = self.mean_volume.shape
        if volume.shape[-3:] != expected or volume.numel() != expected.numel():
            raise ValueError(f"volume of shape {tuple(volume.shape)}, expected {tuple(expected)}")
        return volume.to(self.mean_volume).reshape(1, 1, *expected)
