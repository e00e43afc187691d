"""Draw sessions interpolated between two real ones; score the middle beside trivial answers."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ldae.config import Interpolation, Metrics, Sampling, Section
from ldae.data.batches import load_batch
from ldae.data.choices import Triplet, pick_triplet
from ldae.diffusion.interpolation import lerp, slerp
from ldae.metrics.image import ImageScorer
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import SCANS, read_table, write_csv

COLUMNS = [
    *("method", "gap_months", "n_triplets"),
    *("ssim", "mse", "ssim_decoded", "mse_decoded"),
]


class Settings(Section):
    """How many steps, which fractions are drawn, and how the middle one is scored."""

    sampling: Sampling
    interpolation: Interpolation
    metrics: Metrics


def draw_interpolation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    figure: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Interpolate between the first and last session of one held-out subject.

    Semantic codes are interpolated in a straight line, z_T along the sphere. `table` compares the
    session at the real middle's true fraction with the real scan (`ssim`, `mse`) and with its
    autoencoder decoding (`_decoded`, the paper's choice), beside the nearest session, the voxel
    average and the latent average; it has no rows when the subject has two sessions only.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        figure: interpolated sessions under the real ones.
        table: the scores, one row per method.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device()
    triplet = pick_triplet(read_table(scans, SCANS))
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    sessions = [row for row in triplet if row is not None]
    with torch.inference_mode():
        batch = load_batch(pd.DataFrame(sessions), derivatives, device)
        z_0, y = model.to_latent(batch.x), model.encode(batch.x)
        steps = settings.interpolation.steps
        z_T = model.invert(z_0[[0, -1]], y[[0, -1]], steps=steps)
        fractions = [*settings.interpolation.fractions, triplet.fraction]
        between = torch.cat([slerp(z_T[:1], z_T[1:], fraction) for fraction in fractions])
        code = torch.cat([lerp(y[:1], y[-1:], fraction) for fraction in fractions])
        sampled = model.sample(between, code, steps=steps)
        drawn = model.to_volume(sampled).clamp(0, 1)
        lines = []
        if triplet.middle is not None:
            scorer = ImageScorer(settings.metrics.ssim_window, perceptual=None)
            decoded = model.to_volume(z_0[1:2]).clamp(0, 1)
            answers = _answers(model, batch.x, z_0, triplet) | {"ldae": drawn[-1:]}
            for method, volume in answers.items():
                real = scorer.score(volume, batch.x[1:2], batch.brain[1:2])
                paper = scorer.score(volume, decoded, batch.brain[1:2])
                lines.append(
                    {
                        "method": method,
                        "gap_months": triplet.gap_months,
                        "n_triplets": 1,
                        "ssim": float(real["ssim"]),
                        "mse": float(real["mse"]),
                        "ssim_decoded": float(paper["ssim"]),
                        "mse_decoded": float(paper["mse"]),
                    }
                )
    write_csv(pd.DataFrame(lines, columns=COLUMNS), table)
    _draw(figure, triplet, batch.x, batch.brain, drawn, fractions)


def _answers(
    model: LatentDiffusionAutoencoder, x: Tensor, z_0: Tensor, triplet: Triplet
) -> dict[str, Tensor]:
    """What one may answer without diffusion: x and z_0 are of start, middle and end."""
    fraction = triplet.fraction
    return {
        "nearest": x[:1] if fraction <= 0.5 else x[-1:],
        "voxel-average": lerp(x[:1], x[-1:], fraction),
        "latent-average": model.to_volume(lerp(z_0[:1], z_0[-1:], fraction)),
    }


def _draw(
    path: Path, triplet: Triplet, x: Tensor, brain: Tensor, drawn: Tensor, fractions: list[float]
) -> None:
    """Real sessions above the interpolated ones nearest to them in time, and the change."""
    real = [volume.numpy() for volume in x[:, 0].cpu()]
    made = [volume.numpy() for volume in drawn[:-1, 0].cpu()]
    above = [None] * len(made)
    times = fractions[:-1]
    for fraction, volume in zip(
        [0.0, *([] if triplet.middle is None else [triplet.fraction]), 1.0], real, strict=True
    ):
        above[min(range(len(times)), key=lambda i: abs(times[i] - fraction))] = volume
    months = [triplet.start["months"] + fraction * triplet.gap_months for fraction in times]
    rows = [
        row
        for plane in ("axial", "coronal")
        for row in (
            Row("real", above, plane=plane),
            Row("interpolated", made, plane=plane),
            Row("minus first", [v - made[0] for v in made], plane=plane, kind="difference"),
        )
    ]
    absent = "" if triplet.middle is not None else "; no real session in between"
    draw_rows(
        path,
        title=f"Interpolation, {triplet.start['participant_id']}{absent}",
        columns=[f"month {month:g}" for month in months],
        rows=rows,
        centre=centre_of(brain[0, 0].cpu().numpy()),
    )
