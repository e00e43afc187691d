"""The sizes of the networks."""

from math import ceil
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, NonNegativeCount, Positive, Section, Triple


class AutoencoderNetwork(Section):
    channels: Annotated[tuple[Count, ...], Field(min_length=2)]  # one per level
    latent_channels: Count
    res_blocks: Count
    norm_groups: Count
    initial_log_variance: float | None  # of the posterior; null: the library's initialisation

    @model_validator(mode="after")
    def _groups_divide_channels(self) -> Self:
        _require_groups(self.norm_groups, self.channels)
        return self


class Discriminator(Section):
    channels: Count
    layers: Count
    learning_rate: Positive


class UNet(Section):
    base_channels: Count
    multipliers: Annotated[tuple[Count, ...], Field(min_length=1)]
    res_blocks: Count
    attention_at: tuple[Count, ...]  # down-sampling factors at which attention is used: 1, 2, 4
    heads: Count
    norm_groups: Count
    dropout: Fraction
    downsample: Triple  # factor per axis between levels

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        widths = tuple(self.base_channels * multiple for multiple in self.multipliers)
        _require_groups(self.norm_groups, widths)
        if any(width % self.heads for width in widths):
            raise ValueError(f"heads: {self.heads} do not divide the channels {widths}")
        factors = [2**level for level in range(len(widths))]
        if not set(self.attention_at) <= set(factors):
            raise ValueError(f"attention_at: {list(self.attention_at)} is not among {factors}")
        return self


class SemanticEncoder(Section):
    kind: Literal["slices"] = "slices"
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # ConvNeXt stages
    depths: Annotated[tuple[Count, ...], Field(min_length=1)]
    stochastic_depth: Fraction
    pool: tuple[Count, Count]  # cells each slice's feature map is pooled to
    embedding_dim: Count
    heads: Count
    dropout: Fraction
    initialise: Literal["random", "imagenet"]
    standardise: bool  # centre volumes on the training mean, scale y_sem once

    @model_validator(mode="after")
    def _one_depth_per_width(self) -> Self:
        if len(self.widths) != len(self.depths):
            raise ValueError("widths and depths: one of each per stage")
        if self.embedding_dim % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide embedding_dim")
        return self


class VolumetricEncoder(Section):
    kind: Literal["volume"]
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # stages, each halves every axis
    depths: Annotated[tuple[NonNegativeCount, ...], Field(min_length=1)]  # further convolutions
    norm_groups: Count
    pool: Triple  # cells the last feature map is pooled to
    embedding_dim: Count
    dropout: Fraction
    standardise: bool  # as of the encoder by slices

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if len(self.widths) != len(self.depths):
            raise ValueError("widths and depths: one of each per stage")
        _require_groups(self.norm_groups, self.widths)
        return self

    def require_fit(self, shape: tuple[int, int, int], *, name: str) -> None:
        """Refuse volumes of `shape` whose last feature map has fewer places than `pool` has cells.

        Raises:
            ValueError: naming the section `name`.
        """
        places = [ceil(size / 2 ** len(self.widths)) for size in shape]
        if any(cells > there for cells, there in zip(self.pool, places, strict=True)):
            raise ValueError(
                f"{name}.semantic_encoder.pool: {list(self.pool)} cells, but {len(self.widths)} "
                f"stages leave {places} places of volumes of {list(shape)} voxels"
            )


Encoder = Annotated[SemanticEncoder | VolumetricEncoder, Field(discriminator="kind")]


def _require_groups(groups: int, channels: tuple[int, ...]) -> None:
    if any(width % groups for width in channels):
        raise ValueError(f"norm_groups: {groups} do not divide the channels {channels}")
