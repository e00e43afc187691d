"""Why numbers of a run may differ from the paper's, as far as settings tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from ldae import config
from ldae.report.comparison import Causes, Number

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
BRAIN = {
    "template": "brain from a template",
    "mask": "brain from supplied masks",
    "none": "no brain extraction",
}
LATENTS = {"mean": "posterior means", "sample": "a new posterior draw at each use"}

REBUILT = ("reconstruction", "models", "interpolation")  # tables of volumes
QUALITY = (*REBUILT, "downstream")
LATENT = ("ldae", "lddim", "autoencoder")  # models that work on latents
DIFFUSED = ("ldae", "lddim")
SIZE = "latent_dim"


class Deviating(config.Section):
    """The sections that explain why a run's numbers may differ."""

    cohort: config.Cohort
    preprocessing: config.Preprocessing
    autoencoder: config.Autoencoder
    latents: config.Latents
    ldm: config.Ldm
    ldae: config.Ldae
    dae: config.Dae
    baselines: tuple[config.Baseline, ...]
    sampling: config.Sampling
    metrics: config.Metrics
    reconstruction: config.Reconstruction
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
    known = [*_of_data(settings), *_of_models(settings), *_of_measuring(settings)]
    return lambda number: [cause.text for cause in known if cause.bears_on(number)]


def left_out(settings: Deviating) -> list[str]:
    """Models of the paper that a run was told to do without."""
    return [name for name in ("lddim", "dae", "supervised") if name not in settings.baselines]


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
    for model, encoder in (
        ("ldae", settings.ldae.semantic_encoder),
        ("dae", settings.dae.semantic_encoder),
    ):
        if encoder.embedding_dim != EMBEDDING:
            text = f"y_sem of {encoder.embedding_dim} values instead of {EMBEDDING}"
            yield Cause(text, models=(model,), of_size=True)
        if isinstance(encoder, config.SemanticEncoder):
            yield from _of_encoder(encoder, model)
    yield Cause(
        "the paper does not say how its DAE's network is built: see `dae` of the settings",
        models=("dae",),
    )


def _of_encoder(encoder: config.SemanticEncoder, model: str) -> Iterator[Cause]:
    if encoder.widths != WIDTHS:
        yield Cause(
            f"encoder of {_dashes(encoder.widths)} channels instead of {_dashes(WIDTHS)}",
            models=(model,),
        )
    if encoder.initialise != "imagenet":
        yield Cause("encoder starts from random weights, not from ImageNet's", QUALITY, (model,))


def _of_measuring(settings: Deviating) -> Iterator[Cause]:
    clip, window = settings.sampling.clip, settings.metrics.ssim_window
    if clip != CLIP:
        bound = "not clamped" if clip is None else f"clamped to [-{clip:g}, {clip:g}]"
        text = f"predicted latent {bound} instead of clamped to [-1, 1]"
        yield Cause(text, REBUILT, (*DIFFUSED, "dae"))
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
    yield Cause(
        "probe trained and scored as in the paper's code, with CN the positive class (stricter "
        "probes stand in downstream.csv)",
        ("downstream",),
        ("ldae", "dae"),
    )
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
