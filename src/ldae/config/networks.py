"""The sizes of the networks."""

from math import ceil
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, NonNegativeCount, Positive, Section, Triple


class AutoencoderNetwork(Section):
    channels: Annotated[tuple[Count, ...], Field(min_length=2)]
    """Channels, one per level; each level after the first halves every axis."""
    latent_channels: Count
    """Channels of the latent."""
    res_blocks: Count
    """Residual blocks per level."""
    norm_groups: Count
    """Groups of the group normalisation; divide all channels."""
    initial_log_variance: float | None
    """Log-variance of the posterior before training; null: the library's initialisation."""

    @model_validator(mode="after")
    def _groups_divide_channels(self) -> Self:
        _require_groups(self.norm_groups, self.channels)
        return self


class Discriminator(Section):
    channels: Count
    """Channels of the first layer."""
    layers: Count
    """Layers."""
    learning_rate: Positive
    """Learning rate of its optimiser."""


class UNet(Section):
    base_channels: Count
    """Channels of the first level."""
    multipliers: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Channels of each level, times `base_channels`."""
    res_blocks: Count
    """Residual blocks per level."""
    attention_at: tuple[Count, ...]
    """Down-sampling factors at which there is attention: 1, 2, 4 and so on."""
    heads: Count
    """Attention heads; divide the channels of every level."""
    norm_groups: Count
    """Groups of the group normalisation; divide the channels of every level."""
    dropout: Fraction
    """Part of the features dropped while training."""
    downsample: Triple
    """Factor per axis between levels, x, y, z."""

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
    """`slices`: ConvNeXt on axial slices, attention over them; `volume`: 3D convolutions, with
    other keys."""
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Channels of the ConvNeXt stages."""
    depths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Blocks of the ConvNeXt stages, as many as `widths`."""
    stochastic_depth: Fraction
    """Part of the blocks skipped while training, rising to this at the last one."""
    pool: tuple[Count, Count]
    """Cells that each slice's feature map is pooled to."""
    embedding_dim: Count
    """Length of y_sem."""
    heads: Count
    """Attention heads over slices; divide `embedding_dim`."""
    dropout: Fraction
    """Part of the attention features dropped while training."""
    initialise: Literal["random", "imagenet"]
    """`imagenet` needs `pretrained`; `random` does without."""
    standardise: bool
    """Centre volumes on the training mean and scale y_sem, once, before training."""

    @model_validator(mode="after")
    def _one_depth_per_width(self) -> Self:
        if len(self.widths) != len(self.depths):
            raise ValueError("widths and depths: one of each per stage")
        if self.embedding_dim % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide embedding_dim")
        return self


class VolumetricEncoder(Section):
    kind: Literal["volume"]
    """`volume`: 3D convolutions, then one linear layer over all cells; `slices`: ConvNeXt, with
    other keys."""
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Channels of the stages; each halves every axis."""
    depths: Annotated[tuple[NonNegativeCount, ...], Field(min_length=1)]
    """Residual convolutions of the stages, as many as `widths`."""
    norm_groups: Count
    """Groups of the group normalisation; divide all widths."""
    pool: Triple
    """Cells that the last feature map is pooled to; no more than it has places."""
    embedding_dim: Count
    """Length of y_sem."""
    dropout: Fraction
    """Part of the features dropped while training."""
    standardise: bool
    """Centre volumes on the training mean and scale y_sem, once, before training."""

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
