"""Every setting of a run, typed: `config/*.yaml` is checked against these sections before any job.

The values live in `config/config.yaml` (the paper) and its overlays, never here. A rule hands its
stage exactly the sections the stage reads; the stage parses them back into the same frozen models
(`ldae.settings`), so an unknown key, a wrong type or a value out of range never gets further.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Triple = tuple[Count, Count, Count]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cohort(Section):
    source: Literal["adni", "synthetic", "bids"]
    download: str | None  # folder of the archive's download, or a BIDS folder, or a CSV of scans
    max_failed_fraction: Fraction  # of T1-weighted images; more that fail stop the run
    max_image_mb: Positive  # of one image, unpacked; more is taken for a decompression bomb


class Synthetic(Section):
    subjects: dict[Literal["CN", "MCI", "AD"], Annotated[int, Field(ge=0)]]
    visit_months: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    visits_per_subject: tuple[Count, Count]  # fewest, most
    voxel_mm: Positive
    traps: bool  # add one instance of each fault known of real downloads

    @model_validator(mode="after")
    def _visits_are_there(self) -> Self:
        fewest, most = self.visits_per_subject
        if not fewest <= most <= len(self.visit_months):
            raise ValueError(
                f"visits_per_subject: {fewest} to {most} visits do not fit the "
                f"{len(self.visit_months)} of visit_months"
            )
        return self


class Selection(Section):
    prefer: Literal["original", "processed"]
    prefer_tesla: Positive | None  # of two exams in one session; null: the first exam
    archive_quality: Literal["require", "ignore"]  # images that failed the archive's own control
    min_slices: Count
    max_voxel_mm: Positive
    min_extent_mm: Positive  # smallest field of view along any axis


class Matching(Section):
    near_days: Count  # a diagnosis this near the scan counts without remark
    distant_days: Count  # up to here it counts with the flag diagnosis_distant; beyond it does not
    bracket_days: Annotated[int, Field(ge=0)]  # equal diagnoses this near on both sides; 0: never

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.near_days > self.distant_days:
            raise ValueError("near_days: must not exceed distant_days")
        return self


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


class Split(Section):
    validation: Fraction  # of subjects
    test: Fraction

    @model_validator(mode="after")
    def _leaves_training_subjects(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave no training subjects")
        return self


class Budget(Section):
    amount: Positive
    unit: Literal["samples", "epochs"]


class Training(Section):
    batch_size: Count  # per device and micro-batch
    accumulate: Count  # micro-batches per optimiser step
    learning_rate: Positive
    warmup_steps: Annotated[int, Field(ge=0)]
    schedule: Literal["constant", "cosine"]
    clip_norm: Positive
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    budget: Budget
    validate_every: Count  # optimiser steps
    patience: Count | None  # validations without improvement before stopping; null: never
    precision: Literal["32-true", "bf16-mixed"]
    activation_checkpointing: bool  # compute activations twice instead of keeping them


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


class AutoencoderLoss(Section):
    kl: NonNegative
    perceptual: NonNegative
    adversarial: NonNegative
    adversarial_after: Annotated[int, Field(ge=0)]  # samples seen before the discriminator joins


class Autoencoder(Section):
    network: AutoencoderNetwork
    discriminator: Discriminator
    loss: AutoencoderLoss
    training: Training


class Latents(Section):
    use: Literal["mean", "sample"]  # what diffusion training reads of the stored posterior


class Diffusion(Section):
    timesteps: Count
    beta_start: Positive
    beta_end: Positive


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


class Ldm(Section):
    network: UNet
    training: Training


class SemanticEncoder(Section):
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


class Ldae(Section):
    semantic_encoder: SemanticEncoder
    snr_exponent: NonNegative  # of the loss weight snr^exponent / (1 + snr)
    training: Training


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


class StageResources(Section):
    """What a job may use. Never part of a stage's settings: a change here reruns nothing."""

    gpu: Annotated[int, Field(ge=0)]
    threads: Count
    mem_mb: Count
    runtime: Count  # minutes


class Resources(Section):
    scans_per_job: Count
    cohort: StageResources
    preprocess: StageResources
    train: StageResources
    evaluate: StageResources


class Results(Section):
    """Everything that results depend on."""

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    seed: Annotated[int, Field(ge=0)]
    pretrained: str | None  # folder of weights from the internet (LPIPS, ImageNet); null: none
    cohort: Cohort
    synthetic: Synthetic
    selection: Selection
    matching: Matching
    preprocessing: Preprocessing
    quality: Quality
    split: Split
    autoencoder: Autoencoder
    latents: Latents
    diffusion: Diffusion
    ldm: Ldm
    ldae: Ldae
    sampling: Sampling
    bootstrap: Bootstrap
    metrics: Metrics
    reconstruction: Reconstruction
    probe: Probe
    interpolation: Interpolation
    manipulation: Manipulation
    variation: Variation

    @model_validator(mode="after")
    def _networks_fit_the_volumes(self) -> Self:
        """What single sections cannot know: sizes that must divide each other."""
        halvings = 2 ** (len(self.autoencoder.network.channels) - 1)
        for axis, size, factor in zip(
            "xyz", self.preprocessing.grid.shape, self.ldm.network.downsample, strict=True
        ):
            multiple = halvings * factor ** (len(self.ldm.network.multipliers) - 1)
            if size % multiple:
                raise ValueError(
                    f"preprocessing.grid.shape: {size} voxels along {axis} are not a multiple of "
                    f"{multiple}, by which autoencoder and diffusion network reduce that axis"
                )
        return self


class Config(Results):
    """A whole run: `config/config.yaml` with the overlays given on the command line."""

    resources: Resources


def _require_groups(groups: int, channels: tuple[int, ...]) -> None:
    if any(width % groups for width in channels):
        raise ValueError(f"norm_groups: {groups} do not divide the channels {channels}")
