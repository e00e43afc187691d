"""Put this run's numbers beside the paper's (section 6 of its results; `config/paper.csv`)."""

from pathlib import Path

import pandas as pd

from ldae.config import (
    Autoencoder,
    Cohort,
    Latents,
    Ldae,
    Ldm,
    Metrics,
    Preprocessing,
    Sampling,
    Section,
)
from ldae.errors import UserError
from ldae.report.comparison import REPORTED, SOURCES, compare
from ldae.tables import write_csv

# What the paper's numbers were measured with, by its text and configuration files.
PAPER_SHAPE, PAPER_SPACING_MM = (128, 160, 128), 1.5
PAPER_CHANNELS = (64, 128, 128, 128)
PAPER_EMBEDDING = 768
PAPER_SSIM_WINDOW = 3
PAPER_DOWNSAMPLE = (1, 2, 2)
PAPER_CLIP = 1.0
PAPER_TRANSFORM = "syn"
BRAIN = {
    "template": "brain from a template",
    "mask": "brain from supplied masks",
    "none": "no brain extraction",
}
LATENTS = {"mean": "posterior means", "sample": "a new posterior draw at each use"}


class Settings(Section):
    """The sections that explain why this run's numbers may differ."""

    cohort: Cohort
    preprocessing: Preprocessing
    autoencoder: Autoencoder
    latents: Latents
    ldm: Ldm
    ldae: Ldae
    sampling: Sampling
    metrics: Metrics


def compare_paper(
    *, paper: Path, reconstruction: Path, downstream: Path, table: Path, settings: Settings
) -> None:
    """Write `tables/paper.csv`: every number of `paper`, with this run's where it has one.

    Args:
        paper: the reported numbers: columns table, row, metric, paper, note.
        reconstruction: this run's `tables/reconstruction.csv`.
        downstream: this run's `tables/downstream.csv`.
        table: the comparison to write.
        settings: what this run was measured with.
    """
    measured = {
        "reconstruction": pd.read_csv(reconstruction),
        "downstream": pd.read_csv(downstream),
    }
    write_csv(compare(read_reported(paper), measured, known_causes(settings)), table)


def read_reported(path: Path) -> pd.DataFrame:
    """Read the paper's numbers as printed, so that their digits say how far they were rounded."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(frame.columns) != REPORTED:
        raise UserError(f"{path}: expected the columns {', '.join(REPORTED)}")
    unknown = sorted(set(frame["table"]) - set(SOURCES))
    if unknown:
        raise UserError(f"{path}: unknown table {unknown[0]!r}; known: {', '.join(SOURCES)}")
    return frame


def known_causes(settings: Settings) -> dict[str, list[str]]:
    """Why numbers of this run may differ from the paper's, by table or table.metric."""
    shared = []
    if settings.cohort.source == "synthetic":
        shared.append("synthetic cohort instead of ADNI")
    grid = settings.preprocessing.grid
    if (grid.shape, grid.spacing_mm) != (PAPER_SHAPE, PAPER_SPACING_MM):
        shared.append(
            f"volumes of {_times(grid.shape)} at {grid.spacing_mm:g} mm instead of "
            f"{_times(PAPER_SHAPE)} at {PAPER_SPACING_MM:g} mm"
        )
    method = settings.preprocessing.brain.method
    if method in BRAIN:
        shared.append(f"{BRAIN[method]} instead of by antspynet")
    transform = settings.preprocessing.registration.transform
    if transform != PAPER_TRANSFORM:
        shared.append(f"{transform} registration instead of {PAPER_TRANSFORM}")
    channels = settings.autoencoder.network.channels
    if channels != PAPER_CHANNELS:
        shared.append(
            f"autoencoder of {_dashes(channels)} channels instead of {_dashes(PAPER_CHANNELS)}"
        )
    shared.append(f"latents are {LATENTS[settings.latents.use]} instead of one draw kept")
    downsample = settings.ldm.network.downsample
    if downsample != PAPER_DOWNSAMPLE:
        shared.append(
            f"UNet down-sampling of {_times(downsample)} instead of {_times(PAPER_DOWNSAMPLE)}"
        )
    embedding = settings.ldae.semantic_encoder.embedding_dim
    if embedding != PAPER_EMBEDDING:
        shared.append(f"y_sem of {embedding} values instead of {PAPER_EMBEDDING}")
    window = settings.metrics.ssim_window
    ssim = [f"SSIM window of {window} voxels instead of {PAPER_SSIM_WINDOW}"]
    if window == PAPER_SSIM_WINDOW:
        ssim = []
    clip = settings.sampling.clip
    bound = "not clamped" if clip is None else f"clamped to [-{clip:g}, {clip:g}]"
    sampled = [f"predicted latent {bound} instead of clamped to [-1, 1]"]
    if clip == PAPER_CLIP:
        sampled = []
    lpips = ["LPIPS over all slices instead of a random half"]
    positive = ["positive class AD, where the original's sorted labels make it CN"]
    return {
        "reconstruction": [*shared, *sampled],
        "models": [*shared, *sampled],
        "downstream": [*shared, "split by subject, where the original's probe splits by scan"],
        "reconstruction.ssim": ssim,
        "models.ssim": ssim,
        "reconstruction.lpips": lpips,
        "models.lpips": lpips,
        **{f"downstream.{metric}": positive for metric in ("precision", "recall", "f1")},
    }


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _dashes(channels: tuple[int, ...]) -> str:
    return "-".join(map(str, channels))
