"""A whole run: all sections together, and what each job may use."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ldae.config.cohort import Cohort, Ingestion, Matching, Selection, Split, Synthetic
from ldae.config.evaluation import (
    Baseline,
    Bootstrap,
    Downstream,
    Generation,
    Interpolation,
    Manipulation,
    Metrics,
    Probe,
    Reconstruction,
    Sampling,
    Throughput,
    Variation,
    VoxelPca,
)
from ldae.config.networks import Encoder, UNet
from ldae.config.preprocessing import Preprocessing, Quality
from ldae.config.section import Count, Section
from ldae.config.training import (
    Autoencoder,
    Dae,
    Diffusion,
    Latents,
    Ldae,
    Ldm,
    Supervised,
    SupervisedAge,
    SupervisedDiagnosis,
)


class StageResources(Section):
    """What a job may use. Never part of a stage's settings: a change here reruns nothing."""

    gpu: Annotated[int, Field(ge=0)]
    threads: Count
    mem_mb: Count
    runtime: Count  # minutes


class Resources(Section):
    scans_per_job: Count
    scans_per_batch: Count  # in memory at once, of evaluations
    cohort: StageResources
    preprocess: StageResources
    autoencoder: StageResources  # its training, the longest at the paper's size
    train: StageResources  # every other training
    evaluate: StageResources


class Results(Section):
    """Everything that results depend on."""

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    seed: Annotated[int, Field(ge=0)]
    pretrained: str | None  # folder of weights that others published; null: none
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
    ldae_volume: Ldae  # the same with an encoder of whole volumes, and a focus on times
    baselines: tuple[Baseline, ...]  # besides the LDAE; any of them, or none
    dae: Dae
    supervised_diagnosis: SupervisedDiagnosis
    supervised_age: SupervisedAge
    sampling: Sampling
    dae_sampling: Sampling
    bootstrap: Bootstrap
    metrics: Metrics
    reconstruction: Reconstruction
    probe: Probe
    downstream: Downstream
    voxel_pca: VoxelPca
    interpolation: Interpolation
    manipulation: Manipulation
    variation: Variation
    generation: Generation
    throughput: Throughput

    @model_validator(mode="after")
    def _networks_fit_the_volumes(self) -> Self:
        """What single sections cannot know: sizes that must divide each other."""
        halvings = 2 ** (len(self.autoencoder.network.channels) - 1)
        reduced = "autoencoder and diffusion network reduce that axis"
        self._require_multiples(self.ldm.network, times=halvings, reduced=reduced)
        if "dae" in self.baselines:
            self._require_multiples(self.dae.network, times=1, reduced="dae.network reduces it")
        for name, encoder in self.trained_encoders.items():
            if encoder.kind == "volume":
                encoder.require_fit(self.preprocessing.grid.shape, name=name)
        return self

    @model_validator(mode="after")
    def _imagenet_has_a_folder(self) -> Self:
        """Else the training would stop for want of it, after days of the trainings before it."""
        asking = [
            f"{name}.semantic_encoder.initialise"
            for name, encoder in self.trained_encoders.items()
            if encoder.kind == "slices" and encoder.initialise == "imagenet"
        ]
        if asking and self.pretrained is None:
            raise ValueError(
                f"pretrained: null, but ImageNet's weights are asked for ({', '.join(asking)}); "
                "set pretrained: resources/weights, which a run fetches, or initialise: random"
            )
        return self

    @property
    def trained_encoders(self) -> dict[str, Encoder]:
        """The semantic encoders that the run trains, by the section they are configured in."""
        sections: dict[str, Ldae | Dae | Supervised] = {"ldae": self.ldae}
        if "ldae-volume" in self.baselines:
            sections["ldae_volume"] = self.ldae_volume
        if "dae" in self.baselines:
            sections["dae"] = self.dae
        if "supervised" in self.baselines:
            sections["supervised_diagnosis"] = self.supervised_diagnosis
            sections["supervised_age"] = self.supervised_age
        return {name: section.semantic_encoder for name, section in sections.items()}

    def _require_multiples(self, network: UNet, *, times: int, reduced: str) -> None:
        sizes = zip("xyz", self.preprocessing.grid.shape, network.downsample, strict=True)
        for axis, size, factor in sizes:
            multiple = times * factor ** (len(network.multipliers) - 1)
            if size % multiple:
                raise ValueError(
                    f"preprocessing.grid.shape: {size} voxels along {axis} are not a multiple of "
                    f"{multiple}, by which {reduced}"
                )


class Config(Results):
    """A whole run: `config/config.yaml` with the overlays given on the command line."""

    resources: Resources
