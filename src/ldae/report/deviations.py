"""Why numbers of a run may differ from the paper's, as far as settings tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from ldae import config
from ldae.report.comparison import Causes, Number, Scope

# What the paper's numbers were measured with, by its text and configuration files.
SHAPE, SPACING_MM = (128, 160, 128), 1.5
CHANNELS = (64, 128, 128, 128)
WIDTHS = (96, 192, 384, 768)
EMBEDDING = 768
SSIM_WINDOW = 3
DOWNSAMPLE = (1, 2, 2)
CLIP = 1.0
TRANSFORM = "syn"
STEPS = 100
EPOCHS_AND_RATE = {
    "autoencoder": (100, 5e-5),
    "ldm": (500, 2.5e-5),
    "ldae": (400, 2.5e-5),
    "supervised_diagnosis": (50, 1e-6),
    "supervised_age": (50, 5e-5),
}
WATCHED = {"supervised_diagnosis": "mcc", "supervised_age": "mae"}
BRAIN = {
    "template": "brain from a template",
    "mask": "brain from supplied masks",
    "none": "no brain extraction",
}
LATENTS = {"mean": "posterior means", "sample": "a new posterior draw at each use"}

REBUILT = ("reconstruction", "models", "interpolation")  # tables of volumes
QUALITY = (*REBUILT, "downstream")
TRAINED = {
    "autoencoder": "autoencoder",
    "ldm": "LDM",
    "ldae": "LDAE",
    "supervised_diagnosis": "supervised encoder",
    "supervised_age": "supervised encoder",
}
LATENT = ("ldae", "lddim", "autoencoder")  # models that work on latents
DIFFUSED = ("ldae", "lddim")
OF_DIAGNOSIS = ("accuracy", "precision", "recall", "f1", "roc_auc")
OF_AGE = ("mae", "rmse")
SIZE = "latent_dim"
# Models and metrics that a section of the settings bears on; no metrics: all.
CONCERNED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "autoencoder": (LATENT, ()),
    "ldm": (DIFFUSED, ()),
    "ldae": (("ldae",), ()),
    "dae": (("dae",), ()),
    "supervised_diagnosis": (("supervised",), OF_DIAGNOSIS),
    "supervised_age": (("supervised",), OF_AGE),
}


class Deviating(config.Section):
    """The sections that explain why a run's numbers may differ."""

    cohort: config.Cohort
    preprocessing: config.Preprocessing
    autoencoder: config.Autoencoder
    latents: config.Latents
    ldm: config.Ldm
    ldae: config.Ldae
    dae: config.Dae
    supervised_diagnosis: config.SupervisedDiagnosis
    supervised_age: config.SupervisedAge
    baselines: tuple[config.Baseline, ...]
    sampling: config.Sampling
    dae_sampling: config.Sampling
    metrics: config.Metrics
    reconstruction: config.Reconstruction
    interpolation: config.Interpolation
    throughput: config.Throughput


@dataclass(frozen=True)
class Cause:
    """One reason, and the numbers it bears on; nothing named: all of them.

    On the size of latents, which is counted and not measured, only where `of_size`.
    """

    text: str
    tables: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    of_size: bool = False

    def bears_on(self, number: Number) -> bool:
        """Whether it may explain a deviation in `number`."""
        if number.metric == SIZE and not self.of_size:
            return False
        sides = (
            (self.tables, number.table),
            (self.models, number.model),
            (self.metrics, number.metric),
        )
        return all(not named or one in named for named, one in sides)


def known_causes(settings: Deviating) -> Causes:
    """The reasons known from `settings`, by number."""
    known = [
        *_of_data(settings),
        *_of_models(settings),
        *_of_training(settings),
        *_of_measuring(settings),
    ]
    return lambda number: [cause.text for cause in known if cause.bears_on(number)]


def scope_of(settings: Deviating) -> Scope:
    """Which of the paper's models and gaps a run was told to do."""
    others = ("lddim", "dae", "supervised")
    left_out = [name for name in others if name not in settings.baselines]
    return Scope(left_out, settings.interpolation.gaps)


def _of_data(settings: Deviating) -> Iterator[Cause]:
    if settings.cohort.source == "synthetic":
        yield Cause("synthetic cohort instead of ADNI", QUALITY)
    grid = settings.preprocessing.grid
    if (grid.shape, grid.spacing_mm) != (SHAPE, SPACING_MM):
        yield Cause(
            f"volumes of {_times(grid.shape)} at {grid.spacing_mm:g} mm instead of "
            f"{_times(SHAPE)} at {SPACING_MM:g} mm",
            of_size=True,
        )
    method = settings.preprocessing.brain.method
    if method in BRAIN:
        yield Cause(f"{BRAIN[method]} instead of by antspynet", QUALITY)
    transform = settings.preprocessing.registration.transform
    if transform != TRANSFORM:
        yield Cause(f"{transform} registration instead of {TRANSFORM}", QUALITY)


def _of_models(settings: Deviating) -> Iterator[Cause]:
    channels = settings.autoencoder.network.channels
    if channels != CHANNELS:
        yield Cause(
            f"autoencoder of {_dashes(channels)} channels instead of {_dashes(CHANNELS)}",
            models=LATENT,
            of_size=True,
        )
    trained = f"latents are {LATENTS[settings.latents.use]} instead of one draw kept"
    yield Cause(trained, QUALITY, DIFFUSED)
    downsample = settings.ldm.network.downsample
    if downsample != DOWNSAMPLE:
        text = f"UNet down-sampling of {_times(downsample)} instead of {_times(DOWNSAMPLE)}"
        yield Cause(text, (*QUALITY, "throughput"), DIFFUSED)
    for name, encoder in (
        ("ldae", settings.ldae.semantic_encoder),
        ("dae", settings.dae.semantic_encoder),
        ("supervised_diagnosis", settings.supervised_diagnosis.semantic_encoder),
        ("supervised_age", settings.supervised_age.semantic_encoder),
    ):
        yield from _of_encoder(encoder, name)
    yield Cause(
        "the paper does not say how its DAE's network is built and trained: see `dae` of the "
        "settings",
        models=("dae",),
    )


def _of_encoder(encoder: config.Encoder, name: str) -> Iterator[Cause]:
    if encoder.embedding_dim != EMBEDDING:
        text = f"y_sem of {encoder.embedding_dim} values instead of {EMBEDDING}"
        yield Cause(text, (), *CONCERNED[name], of_size=True)
    if isinstance(encoder, config.VolumetricEncoder):
        yield Cause("encoder of whole volumes instead of slices", (), *CONCERNED[name])
        return
    if encoder.widths != WIDTHS:
        text = f"encoder of {_dashes(encoder.widths)} channels instead of {_dashes(WIDTHS)}"
        yield Cause(text, (), *CONCERNED[name])
    if encoder.initialise != "imagenet":
        yield Cause(
            "encoder starts from random weights, not from ImageNet's",
            QUALITY,
            *CONCERNED[name],
        )


def _of_training(settings: Deviating) -> Iterator[Cause]:
    for name, (epochs, rate) in EPOCHS_AND_RATE.items():
        training: config.Training = getattr(settings, name).training
        here = (training.budget.amount, training.budget.unit, training.learning_rate)
        if here != (epochs, "epochs", rate):
            amount = f"{training.budget.amount:,.10g} {training.budget.unit}"
            yield Cause(
                f"{TRAINED[name]} trained for {amount} at a rate of {training.learning_rate:g} "
                f"instead of {epochs} epochs at {rate:g}",
                QUALITY,
                *CONCERNED[name],
            )
    for name, measure in WATCHED.items():
        watched = getattr(settings, name).watch
        if watched != measure:
            text = f"{TRAINED[name]} judged by its {watched} in validation instead of {measure}"
            yield Cause(text, QUALITY, *CONCERNED[name])


def _of_measuring(settings: Deviating) -> Iterator[Cause]:
    window = settings.metrics.ssim_window
    for what, sampling, models in (
        ("latent", settings.sampling, DIFFUSED),
        ("voxels", settings.dae_sampling, ("dae",)),
    ):
        clip = sampling.clip
        if clip != CLIP:
            bound = "not clamped" if clip is None else f"clamped to [-{clip:g}, {clip:g}]"
            yield Cause(f"predicted {what} {bound} instead of clamped to [-1, 1]", REBUILT, models)
    if window != SSIM_WINDOW:
        text = f"SSIM window of {window} voxels instead of {SSIM_WINDOW}"
        yield Cause(text, metrics=("ssim", "ssim_decoded"))
    yield Cause("LPIPS over all slices instead of a random half", metrics=("lpips",))
    most = {"ldae": max(settings.reconstruction.steps), "dae": settings.reconstruction.dae_steps}
    most["lddim"] = most["ldae"]
    for model, steps in most.items():
        if steps != STEPS:
            yield Cause(f"T = {steps} instead of {STEPS}", ("models",), (model,))
    yield Cause("all channels of latents counted", ("models",), DIFFUSED, (SIZE,), of_size=True)
    text = "probe trained as in the paper's code (stricter probes stand in downstream.csv)"
    yield Cause(text, ("downstream",), ("ldae", "dae"))
    text = "scored as in the paper's code, with CN the positive class"
    yield Cause(text, ("downstream",), metrics=OF_DIAGNOSIS)
    if settings.interpolation.steps != STEPS:
        text = f"interpolated in T = {settings.interpolation.steps} steps instead of {STEPS}"
        yield Cause(text, ("interpolation",))
    yield Cause("triplets in which subjects take turns, not the first 200", ("interpolation",))
    yield Cause(
        f"reconstruction in {max(settings.reconstruction.steps)} steps, "
        f"{settings.throughput.batch_size} volumes handed over together, single precision (the "
        "paper names neither operation nor steps, batch or device)",
        ("throughput",),
    )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _dashes(channels: tuple[int, ...]) -> str:
    return "-".join(map(str, channels))
