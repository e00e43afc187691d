"""What is measured and drawn with the trained models."""

from typing import Annotated

from pydantic import Field

from ldae.config.section import Count, Fraction, Positive, Section


class Sampling(Section):
    clip: Positive | None  # bound on the predicted clean latent; null: none
    batch_size: Count


class Bootstrap(Section):
    replicates: Count
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Metrics(Section):
    ssim_window: Count  # voxels


class Reconstruction(Section):
    steps: Annotated[tuple[Count, ...], Field(min_length=1)]


class Probe(Section):
    inverse_regularisation: Annotated[tuple[Positive, ...], Field(min_length=1)]  # logistic, C
    ridge_penalty: Annotated[tuple[Positive, ...], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)]


class Interpolation(Section):
    steps: Count
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)]  # drawn beside the real session


class Manipulation(Section):
    steps: Count
    strengths: Annotated[tuple[float, ...], Field(min_length=1)]
    probe: Probe  # whose direction is followed


class Variation(Section):
    steps: Count
    samples: Annotated[int, Field(ge=2)]
