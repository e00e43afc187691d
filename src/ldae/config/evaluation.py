"""What is measured and drawn with the trained models."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, Positive, Section

Baseline = Literal["lddim", "dae", "supervised", "ldae-volume"]


class Sampling(Section):
    clip: Positive | None
    """Bound on the clean latent or volume predicted in every DDIM step; null: none."""


class Bootstrap(Section):
    replicates: Count
    """Draws of subjects, with replacement."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Coverage of the intervals."""


class Metrics(Section):
    ssim_window: Count
    """Width of the SSIM window in voxels."""


class Reconstruction(Section):
    steps: Annotated[tuple[Count, ...], Field(min_length=1)]
    """DDIM steps, a row each; of LDDIM the most."""
    control_steps: Count
    """DDIM steps of the controls; one of `steps`."""
    dae_steps: Count
    """DDIM steps of the DAE, in place of `steps`."""

    @model_validator(mode="after")
    def _controls_have_a_counterpart(self) -> Self:
        if self.control_steps not in self.steps:
            raise ValueError(f"control_steps: {self.control_steps} is not one of steps")
        return self


class Probe(Section):
    inverse_regularisation: Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Values of C to choose from, of the logistic regression."""
    ridge_penalty: Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Penalties to choose from, of the regression on age."""
    folds: Annotated[int, Field(ge=2)]
    """Folds to choose with, grouped by subject, on training data."""


class Downstream(Section):
    seeds: Annotated[int, Field(ge=0)]
    """Other draws of the probes' folds, a row each; 0: none."""


class VoxelPca(Section):
    components: Count
    """Principal components; at most one less than there are training scans."""
    pool: Count
    """Voxels averaged along each axis before."""


class Interpolation(Section):
    steps: Count
    """DDIM steps."""
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)]
    """Parts of the time from first to last session, in the figure."""
    gaps: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Months from first to last session, one row each; a triplet joins the nearest, of two as near
    the shorter."""
    max_triplets: Count | None
    """Most triplets scored; subjects and gaps take turns until they are reached; null: every
    one."""


class Manipulation(Section):
    steps: Count
    """DDIM steps."""
    strengths: Annotated[tuple[float, ...], Field(min_length=1)]
    """How far to go along the direction, times sqrt(embedding_dim) standard deviations of the code;
    not all 0."""
    max_subjects: Count | None
    """Most subjects edited; diagnoses take turns until they are reached; null: every test
    subject."""
    probe: Probe
    """The probe whose direction is followed; one of its own, so that editing `probe` redraws
    nothing."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if not any(self.strengths):
            raise ValueError("strengths: none but 0, which moves nothing")
        return self


class Variation(Section):
    steps: Count
    """DDIM steps."""
    samples: Annotated[int, Field(ge=2)]
    """z_T per subject, the same ones for all."""
    max_subjects: Annotated[int, Field(ge=2)] | None
    """Most subjects; diagnoses take turns until they are reached; null: every test subject."""
    probe: Probe
    """The probe that reads what stays; one of its own, so that editing `probe` redraws nothing."""


class Generation(Section):
    steps: Count
    """DDIM steps."""
    samples: Annotated[int, Field(ge=2)]
    """Samples of each model; as many scans of every second test subject are the yardstick."""
    volumes: Annotated[int, Field(ge=0)]
    """Samples of each model, kept as NIfTI to look at; the latents of all are kept."""


class Explorer(Section):
    max_subjects: Count
    """Most test subjects shown with volumes."""
    max_mb: Annotated[float, Field(ge=5)]
    """Most the page may take, in 10^6 bytes, of which the viewer is 2.3: it shows fewer subjects
    where they do not fit."""


class Throughput(Section):
    batch_size: Count
    """Volumes handed over together."""
    repeats: Count
    """Timed runs after one warm-up; medians are over these."""
    measured_steps: Count
    """Most DDIM steps timed as whole runs; more are reckoned from single steps."""
