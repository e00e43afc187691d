"""Draw variations of one scan at a fixed semantic code: what the code leaves open."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Metrics, Sampling, Section, Variation
from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.metrics.image import ImageScorer, masked_mean
from ldae.models.ldae import load_ldae
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import KEYS, SCANS, read_table, write_csv


class Settings(Section):
    """How many samples are drawn, with how many steps, and how they are scored."""

    seed: int
    sampling: Sampling
    variation: Variation
    metrics: Metrics


def draw_variation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    figure: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Sample the first test scan's code from several z_T, and map where the samples differ.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        figure: the scan, its samples and their mean; below, how far each sample is from the mean,
            and the voxel-wise standard deviation under the mean.
        table: per sample and for their mean, ssim and mse against the scan; `sd_brain`, in the row
            of the mean, averages the standard deviation inside the brain.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device()
    test = take_split(read_table(scans, SCANS), "test")
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    count, steps = settings.variation.samples, settings.variation.steps
    with torch.inference_mode():
        batch = load_batch(test.iloc[:1], derivatives, device)
        y = model.encode(batch.x)
        generators = [seeded_generator(settings.seed, "variation", i) for i in range(count)]
        noise = [torch.randn(model.latent_shape, generator=each) for each in generators]
        z_T = torch.stack(noise).to(y)
        sampled = model.sample(z_T, y.expand(count, -1), steps=steps)
        drawn = model.to_volume(sampled).clamp(0, 1)
        spread, average = torch.std_mean(drawn, dim=0, keepdim=True)
        scorer = ImageScorer(settings.metrics.ssim_window, perceptual=None)
        shape = drawn.shape
        scores = scorer.score(drawn, batch.x.expand(shape), batch.brain.expand(shape))
        of_mean = scorer.score(average, batch.x, batch.brain)
        sd_brain = float(masked_mean(spread, batch.brain))
    lines = [
        {"sample": str(index + 1)} | {name: float(scores[name][index]) for name in ("ssim", "mse")}
        for index in range(count)
    ]
    mean = {name: float(of_mean[name]) for name in ("ssim", "mse")}
    lines.append({"sample": "mean"} | mean | {"sd_brain": sd_brain})
    write_csv(pd.DataFrame(lines), table)

    scan, middle, deviation = (v[0, 0].cpu().numpy() for v in (batch.x, average, spread))
    volumes = [scan, *[volume.numpy() for volume in drawn[:, 0].cpu()], middle]
    departures = [np.abs(volume - middle) for volume in volumes[1:-1]]
    rows = [
        row
        for plane in ("axial", "coronal")
        for row in (
            Row(plane, volumes, plane=plane),
            Row("|minus\nmean|, sd", [None, *departures, deviation], plane=plane, kind="spread"),
        )
    ]
    subject, session = batch.rows.iloc[0][KEYS]
    draw_rows(
        figure,
        title=f"Variations of {subject} {session}: one y_sem, {count} z_T",
        columns=["scan", *[f"sample {index + 1}" for index in range(count)], "mean"],
        rows=rows,
        centre=centre_of(batch.brain[0, 0].cpu().numpy()),
    )
