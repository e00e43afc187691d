"""What is measured and drawn with the trained models."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, Positive, Section

Baseline = Literal["lddim", "dae", "supervised", "ldae-volume"]


class Sampling(Section):
    clip: Positive | None  # bound on the predicted clean latent; null: none


class Bootstrap(Section):
    replicates: Count
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Metrics(Section):
    ssim_window: Count  # voxels


class Reconstruction(Section):
    steps: Annotated[tuple[Count, ...], Field(min_length=1)]
    control_steps: Count  # of the controls; one of `steps`
    dae_steps: Count  # of the DAE, in place of `steps`

    @model_validator(mode="after")
    def _controls_have_a_counterpart(self) -> Self:
        if self.control_steps not in self.steps:
            raise ValueError(f"control_steps: {self.control_steps} is not one of steps")
        return self


class Probe(Section):
    inverse_regularisation: Annotated[tuple[Positive, ...], Field(min_length=1)]  # logistic, C
    ridge_penalty: Annotated[tuple[Positive, ...], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)]


class Downstream(Section):
    seeds: Annotated[int, Field(ge=0)]  # other draws of the folds, each a row of its own


class VoxelPca(Section):
    components: Count
    pool: Count  # voxels averaged along each axis before


class Interpolation(Section):
    steps: Count
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)]  # drawn beside the real session
    gaps: Annotated[tuple[Count, ...], Field(min_length=1)]  # months; a triplet joins the nearest
    max_triplets: Count | None


class Manipulation(Section):
    steps: Count
    strengths: Annotated[tuple[float, ...], Field(min_length=1)]
    max_subjects: Count | None
    probe: Probe  # whose direction is followed

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if not any(self.strengths):
            raise ValueError("strengths: none but 0, which moves nothing")
        return self


class Variation(Section):
    steps: Count
    samples: Annotated[int, Field(ge=2)]
    max_subjects: Annotated[int, Field(ge=2)] | None
    probe: Probe  # that reads what stays


class Generation(Section):
    steps: Count
    samples: Annotated[int, Field(ge=2)]  # of each model; at most as many as half of the test scans
    volumes: Annotated[int, Field(ge=0)]  # of each model, kept as NIfTI; latents are all kept


class Throughput(Section):
    batch_size: Count
    repeats: Count  # medians are over these
    measured_steps: Count  # most steps timed as whole runs; more are reckoned from single steps
