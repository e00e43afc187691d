"""From the raw head to the brain on the grid, and when a scan is left out."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, NonNegative, Positive, Section, Triple


class Grid(Section):
    shape: Triple
    """Voxels, R-L, A-P, I-S; multiples of what the networks reduce them by."""
    spacing_mm: Positive
    """Voxel size in mm, isotropic."""


class BiasCorrection(Section):
    resolution_mm: Positive
    """Voxel size in mm of the copy on which the field is estimated."""
    shrink_factor: Count
    """ANTs' factor by which N4 shrinks that copy again."""
    iterations: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Most iterations, per level."""


class BrainExtraction(Section):
    method: Literal["template", "mask", "none", "antspynet"]
    """`template`: ANTs only, offline; `mask`: yours; `none`: stripped before; `antspynet`: the
    original's (docs/preprocessing.md)."""
    resolution_mm: Positive
    """Voxel size in mm, of the copy on which tissue is told apart."""
    masks: str | None
    """For `mask`: BIDS dataset with `sub-*_desc-brain_mask.nii.gz` in native space; null: beside
    the raw images."""


class Registration(Section):
    transform: Literal["rigid", "affine", "syn"]
    """Rigid, affine or deformable (`syn`), to the ICBM 152 2009a symmetric template."""
    resolution_mm: Positive
    """Voxel size in mm of the copies that are registered."""


class Intensity(Section):
    rule: Literal["minmax", "percentile"]
    """`minmax`: divide by the brain's maximum; `percentile`: map `percentiles` of the brain to 0
    and 1, and clip."""
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]]
    """Of the brain's intensities, from and up to, for `percentile`."""

    @model_validator(mode="after")
    def _upwards(self) -> Self:
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError(f"percentiles: {list(self.percentiles)} should rise")
        return self


class Preprocessing(Section):
    grid: Grid
    """The grid that models read."""
    bias: BiasCorrection
    """N4 bias correction."""
    brain: BrainExtraction
    """Brain extraction."""
    registration: Registration
    """Registration to the template."""
    intensity: Intensity
    """Scaling of intensities to [0, 1]."""


class Quality(Section):
    """Scans outside these bounds are excluded; each is `min_` or `max_` and a figure's name."""

    min_brain_ml: NonNegative
    """Smallest brain in ml, in native space."""
    max_brain_ml: Positive
    """Largest brain in ml, in native space."""
    max_border_cm2: NonNegative
    """Most cm² of brain at the edge of the field of view."""
    min_snr: NonNegative
    """Least signal-to-noise ratio of white matter, median over spread."""
    max_cjv: Positive
    """Largest joint variation of grey and white matter."""
    min_template_dice: Fraction
    """Least overlap with the template's brain."""
    min_template_correlation: Annotated[float, Field(ge=-1, le=1)]
    """Least correlation with the template."""
    min_symmetry: Annotated[float, Field(ge=-1, le=1)]
    """Least correlation of left and right."""
