"""A whole run: all sections together, and what each job may use."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.cohort import Cohort, Ingestion, Matching, Selection, Split, Synthetic
from ldae.config.evaluation import (
    Baseline,
    Bootstrap,
    Downstream,
    Explorer,
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
    """GPUs of a job."""
    threads: Count
    """CPU threads of a job."""
    mem_mb: Count
    """Memory of a job in MB."""
    runtime: Count
    """Walltime of a job in minutes."""


class Resources(Section):
    scans_per_job: Count
    """Scans of a bucket, which one job converts and one preprocesses."""
    scans_per_batch: Count
    """Scans in memory at once, when models are evaluated; lower it where memory runs out."""
    fewer_gpus: Literal["stop", "continue"]
    """What a job does that asks for more GPUs than there are: `stop`, or `continue` with those that
    there are, else on the CPU."""
    cohort: StageResources
    """Indexing, converting and describing the download."""
    preprocess: StageResources
    """Preprocessing of a bucket, and everything small."""
    autoencoder: StageResources
    """Training of the autoencoder, the longest at the paper's size."""
    train: StageResources
    """Every other training."""
    evaluate: StageResources
    """Every evaluation."""


class Results(Section):
    """Everything that results depend on."""

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """Name of the run: everything is written to `results/{run}/`."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of everything that is random."""
    pretrained: str | None
    """Folder of weights that others published (LPIPS, ImageNet, MedicalNet); null: none."""
    cohort: Cohort
    """Where scans come from."""
    synthetic: Synthetic
    """The embedded cohort; read only when `cohort.source` is `synthetic`."""
    selection: Selection
    """Which images count, and which of a session's is taken."""
    matching: Matching
    """Which diagnosis a scan has, by date."""
    ingestion: Ingestion
    """What is tolerated of a download."""
    preprocessing: Preprocessing
    """From the raw head to the brain on the grid."""
    quality: Quality
    """Scans outside these bounds are excluded with a reason."""
    split: Split
    """Sides of the split, by subject; the rest trains."""
    autoencoder: Autoencoder
    """The autoencoder that compresses volumes to latents."""
    latents: Latents
    """What diffusion trainings read of a latent."""
    diffusion: Diffusion
    """The noise: DDPM, linear schedule."""
    ldm: Ldm
    """The latent diffusion model."""
    ldae: Ldae
    """The semantic encoder and the gradient estimator over the frozen latent diffusion model."""
    ldae_volume: Ldae
    """The LDAE with an encoder of whole volumes; never part of the paper's rows."""
    baselines: tuple[Baseline, ...]
    """The models the LDAE is compared with; any of them, or `[]`."""
    dae: Dae
    """The diffusion autoencoder on voxels, a baseline."""
    supervised_diagnosis: SupervisedDiagnosis
    """AD against CN, MCI left out; the same encoder with a linear head, a baseline."""
    supervised_age: SupervisedAge
    """Age in years; the same encoder with a linear head, a baseline."""
    sampling: Sampling
    """Every DDIM step of the latent models, both ways."""
    dae_sampling: Sampling
    """Every DDIM step of the DAE."""
    bootstrap: Bootstrap
    """Intervals, over subjects."""
    metrics: Metrics
    """How images are compared."""
    reconstruction: Reconstruction
    """Reconstructions by start and number of steps."""
    probe: Probe
    """Linear probes on y_sem."""
    downstream: Downstream
    """How far results depend on the probes' folds."""
    voxel_pca: VoxelPca
    """Principal components of voxels, a baseline."""
    interpolation: Interpolation
    """Every session between two others of a test subject."""
    manipulation: Manipulation
    """The first scan of test subjects, moved towards AD, towards old age and along two controls."""
    variation: Variation
    """Samples that share y_sem or z_T, of the first scan of test subjects."""
    generation: Generation
    """Samples from noise."""
    throughput: Throughput
    """Volumes per second, of LDAE and DAE."""
    explorer: Explorer
    """The page in which single scans are explored; internal."""

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
    def _windows_fit_the_volumes(self) -> Self:
        """Else it would show when the discriminator joins, or when results are measured."""
        needed = {f"metrics.ssim_window: {self.metrics.ssim_window}": self.metrics.ssim_window}
        layers, least = self.autoencoder.discriminator.layers, min(self.preprocessing.grid.shape)
        if self.autoencoder.loss.adversarial > 0:  # each layer halves, and 3 voxels must be left
            needed[f"autoencoder.discriminator.layers: {layers}"] = 3 * 2**layers
        for key, voxels in needed.items():
            if voxels > least:
                raise ValueError(
                    f"{key}: for it preprocessing.grid.shape needs {voxels} voxels along every axis"
                )
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

    @model_validator(mode="after")
    def _steps_fit_the_noise(self) -> Self:
        """A DDIM run visits whole times, one more than it has steps."""
        most = self.diffusion.timesteps - 1
        steps = {"reconstruction.steps": max(self.reconstruction.steps)}
        steps |= {"reconstruction.dae_steps": self.reconstruction.dae_steps}
        for name in ("interpolation", "manipulation", "variation", "generation"):
            steps[f"{name}.steps"] = getattr(self, name).steps
        for key, asked in steps.items():
            if asked > most:
                raise ValueError(
                    f"{key}: {asked} DDIM steps, but diffusion.timesteps: "
                    f"{self.diffusion.timesteps} leaves {most} at most"
                )
        return self

    @property
    def trained_encoders(self) -> dict[str, Encoder]:
        """The semantic encoders that the run trains, by the section they are configured in."""
        return {name: section.semantic_encoder for name, section in self._with_encoder.items()}

    @property
    def _with_encoder(self) -> dict[str, Ldae | Dae | Supervised]:
        sections: dict[str, Ldae | Dae | Supervised] = {"ldae": self.ldae}
        if "ldae-volume" in self.baselines:
            sections["ldae_volume"] = self.ldae_volume
        if "dae" in self.baselines:
            sections["dae"] = self.dae
        if "supervised" in self.baselines:
            sections["supervised_diagnosis"] = self.supervised_diagnosis
            sections["supervised_age"] = self.supervised_age
        return sections

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
    """What jobs may use; no result depends on it."""

    @model_validator(mode="after")
    def _every_gpu_has_an_example(self) -> Self:
        others = {"ldm": self.ldm, **self._with_encoder}
        trainings = {"autoencoder": (self.autoencoder.training, "autoencoder")}
        trainings |= {name: (section.training, "train") for name, section in others.items()}
        for name, (training, stage) in trainings.items():
            gpus: int = getattr(self.resources, stage).gpu
            examples = training.batch_size * training.accumulate
            if gpus > examples:
                raise ValueError(
                    f"resources.{stage}.gpu: {gpus} GPUs, but a step of {name} has {examples} "
                    f"examples ({name}.training.batch_size: {training.batch_size} times "
                    f"accumulate: {training.accumulate}); ask for {examples} GPUs at most"
                )
        return self
