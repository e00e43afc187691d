"""From the raw head to the brain on the grid, and when a scan is left out."""

from typing import Annotated, Literal

from pydantic import Field

from ldae.config.section import Count, Fraction, NonNegative, Positive, Section, Triple


class Grid(Section):
    shape: Triple  # voxels, R-L, A-P, I-S
    spacing_mm: Positive


class BiasCorrection(Section):
    resolution_mm: Positive  # the field is estimated on a copy of this voxel size
    shrink_factor: Count
    iterations: Annotated[tuple[Count, ...], Field(min_length=1)]


class BrainExtraction(Section):
    method: Literal["template", "mask", "none", "antspynet"]
    resolution_mm: Positive  # of the copy on which tissue is told apart
    masks: str | None  # dataset of *_desc-brain_mask.nii.gz for `mask`; null: beside the images


class Registration(Section):
    transform: Literal["rigid", "affine", "syn"]
    resolution_mm: Positive


class Intensity(Section):
    rule: Literal["minmax", "percentile"]
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]]


class Preprocessing(Section):
    grid: Grid
    bias: BiasCorrection
    brain: BrainExtraction
    registration: Registration
    intensity: Intensity


class Quality(Section):
    """Scans outside these bounds are excluded; each is `min_` or `max_` and a figure's name."""

    min_brain_ml: NonNegative
    max_brain_ml: Positive
    max_border_cm2: NonNegative
    min_snr: NonNegative
    max_cjv: Positive
    min_template_dice: Fraction
    min_template_correlation: Annotated[float, Field(ge=-1, le=1)]
    min_symmetry: Annotated[float, Field(ge=-1, le=1)]
