"""Score reconstructions of test scans by what they start from and by the number of DDIM steps.

The controls stand in the same table, since inverting and sampling well proves nothing about y_sem:
the diffusion model alone, another subject's code, no noise, no code, and the mean training volume.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Metrics, Reconstruction, Sampling, Section
from ldae.data.batches import ScanBatch, ScanBatches, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.metrics.image import METRICS, ImageScorer, load_perceptual
from ldae.metrics.statistics import mean_of, subject_weights, summarise
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_csv, write_table

GROUP = ["model", "start", "steps"]
DRAWN = {
    ("autoencoder", "bottleneck"): "autoencoder",
    ("ldae", "encoded"): "encoded z_T",
    ("ldae", "semantic"): "y_sem only",
    ("ldm", "unconditional"): "no code",
}


class Settings(Section):
    """How scans are sampled and scored."""

    seed: int
    pretrained: str | None
    sampling: Sampling
    metrics: Metrics
    reconstruction: Reconstruction
    bootstrap: Bootstrap


class Attempt(NamedTuple):
    """Volumes `(B, 1, X, Y, Z)` meant to equal the batch's, and where they come from."""

    model: str
    start: str
    steps: int
    volumes: Tensor


def evaluate_reconstruction(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    per_scan: Path,
    table: Path,
    figure: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write scores per test scan, their means with intervals over subjects, and one scan drawn.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        per_scan: `tables/reconstruction.parquet`, one row per scan, model, start and steps.
        table: `tables/reconstruction.csv`, the means.
        figure: the first test scan beside its reconstructions at the most steps.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    rows = read_table(scans, SCANS)
    test = take_split(rows, "test")
    device = pick_device()
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    folder = Path(settings.pretrained) if settings.pretrained else None
    scorer = ImageScorer(settings.metrics.ssim_window, load_perceptual(folder, device))
    average = mean_volume(take_split(rows, "train"), derivatives).to(device)

    batches = ScanBatches(test, derivatives, settings.sampling.batch_size, device)

    scores = []
    with torch.inference_mode():
        codes = torch.cat([model.encode(batch.x) for batch in batches])
        others = codes[other_subject(test)]
        for batch in batches:
            here, drawn = batch.rows.index.tolist(), {}
            for attempt in _attempts(model, batch, codes[here], others[here], average, settings):
                measured = scorer.score(attempt.volumes, batch.x, batch.brain)
                lines = batch.rows[KEYS].copy()
                lines[GROUP] = attempt[:3]
                for name, values in measured.items():
                    lines[name] = values.double().cpu().numpy()
                scores.append(lines)
                drawn[attempt[:2]] = attempt.volumes[0, 0]  # of one start, the most steps stay
            if here[0] == 0:
                _draw(batch, drawn, max(settings.reconstruction.steps), figure)
            logging.info("%d of %d scans reconstructed", here[-1] + 1, len(test))
    scored = pd.concat(scores, ignore_index=True)
    write_table(scored, per_scan, RECONSTRUCTED)
    write_csv(_means(scored, scorer.not_computed(batch.x), settings), table)


def _attempts(
    model: LatentDiffusionAutoencoder,
    batch: ScanBatch,
    y: Tensor,
    other: Tensor,
    average: Tensor,
    settings: Settings,
) -> Iterator[Attempt]:
    """Every reconstruction of a batch; its random z_T depends on seed and scan alone."""
    yield Attempt("mean-brain", "mean-brain", 0, average.expand_as(batch.x))
    z_0 = model.to_latent(batch.x)
    yield Attempt("autoencoder", "bottleneck", 0, model.to_volume(z_0))
    noise = scan_noise(batch.rows, model.latent_shape, settings.seed, "z_T").to(z_0)
    for steps in sorted(settings.reconstruction.steps):
        starts = [
            ("ldae", "encoded", model.invert(z_0, y, steps=steps), y),
            ("lddim", "encoded", model.invert(z_0, None, steps=steps), None),
            ("ldae", "semantic", noise, y),
            ("ldae", "wrong-subject", noise, other),
            ("ldae", "zero", torch.zeros_like(noise), y),
            ("ldm", "unconditional", noise, None),
        ]
        for name, start, z_T, code in starts:
            sampled = model.sample(z_T, code, steps=steps)
            yield Attempt(name, start, steps, model.to_volume(sampled))


def _means(scored: pd.DataFrame, not_computed: str, settings: Settings) -> pd.DataFrame:
    """Means over scans with intervals over subjects; `not_computed` explains empty columns."""
    lines = []
    for keys, group in scored.groupby(GROUP, sort=False):
        weights = subject_weights(
            group["participant_id"].tolist(),
            replicates=settings.bootstrap.replicates,
            seed=settings.seed,
        )
        statistics = {name: mean_of(group[name].to_numpy()) for name in METRICS}
        lines.append(
            dict(zip(GROUP, keys, strict=True))
            | summarise(statistics, weights, settings.bootstrap.confidence)
            | {"n_scans": len(group), "n_subjects": group["participant_id"].nunique()}
            | {"not_computed": not_computed}
        )
    return pd.DataFrame(lines)


def _draw(
    batch: ScanBatch, reconstructed: dict[tuple[str, str], Tensor], steps: int, path: Path
) -> None:
    """The batch's first scan beside its reconstructions, and what they add or lack."""
    scan = batch.x[0, 0].cpu().numpy()
    drawn = [reconstructed[key].clamp(0, 1).cpu().numpy() for key in DRAWN]
    differences = [None, *[volume - scan for volume in drawn]]
    rows = [
        row
        for plane in ("axial", "coronal")
        for row in (
            Row(plane, [scan, *drawn], plane=plane),
            Row("minus scan", differences, plane=plane, kind="difference"),
        )
    ]
    subject, session = batch.rows.iloc[0][KEYS]
    draw_rows(
        path,
        title=f"Reconstruction of {subject} {session}, {steps} steps",
        columns=["scan", *DRAWN.values()],
        rows=rows,
        centre=centre_of(batch.brain[0, 0].cpu().numpy()),
    )
