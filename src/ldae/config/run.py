"""A whole run: all sections together, and what each job may use."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ldae.config.cohort import Cohort, Ingestion, Matching, Selection, Split, Synthetic
from ldae.config.evaluation import (
    Bootstrap,
    Interpolation,
    Manipulation,
    Metrics,
    Probe,
    Reconstruction,
    Sampling,
    Variation,
)
from ldae.config.preprocessing import Preprocessing, Quality
from ldae.config.section import Count, Section
from ldae.config.training import Autoencoder, Diffusion, Latents, Ldae, Ldm


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
    ingestion: Ingestion
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
