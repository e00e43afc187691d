"""Score sessions interpolated between two others of a subject, beside trivial answers."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Interpolation, Metrics, Sampling, Section
from ldae.data.batches import ScanBatch, load_batch
from ldae.data.choices import PLACES, all_triplets, at_most, gap_class, take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.inversions import read_inversions
from ldae.diffusion.interpolation import lerp, slerp
from ldae.metrics.image import ImageScorer
from ldae.metrics.statistics import Statistic, difference_of, mean_of, ratio_of
from ldae.metrics.summary import over_subjects
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.models.stored import inverted_by
from ldae.progress import Tally
from ldae.report.figures import Row, centre_of, draw_note, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import INTERPOLATED, SCANS, read_table, write_csv, write_table

REAL, PAPER = ("ssim", "mse", "ssim_brain", "mse_brain"), ("ssim", "mse")
SCORES = ["ssim", "mse", "ssim_decoded", "mse_decoded", "ssim_brain", "mse_brain"]
NEAREST = "nearest"
BESIDE = ["ssim_gain", "mse_ratio"]  # compared with the nearest session
COLUMNS = [
    *("method", "gap_months", "n_triplets"),
    *[f"{metric}{end}" for metric in [*SCORES, *BESIDE] for end in ("", "_low", "_high")],
    *("n_subjects", "mean_gap_months"),
]
NONE = "no test subject has three sessions, of which one could be interpolated"


class Settings(Section):
    """How many steps, which triplets and fractions, and how answers are scored."""

    seed: int
    sampling: Sampling
    interpolation: Interpolation
    metrics: Metrics
    bootstrap: Bootstrap


def evaluate_interpolation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    inversions: Path,
    per_triplet: Path,
    table: Path,
    figure: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Answer what every session between two others of a test subject looks like.

    Semantic codes are interpolated in a straight line and z_T along the sphere, at the session's
    true fraction of the time. Scores are against the real scan, and against its autoencoder
    decoding (`_decoded`, the paper's choice); `ssim_gain` is what an answer's SSIM exceeds that of
    the nearest session by, `mse_ratio` its MSE over that of the nearest session. A gap, from first
    to last session, counts as the nearest of `interpolation.gaps`.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the scans' codes (`embeddings/ldae.parquet`).
        inversions: the index of their z_T (`inversions/ldae/T{interpolation.steps}/index.parquet`).
        per_triplet: `tables/interpolation.parquet`, one row per method and triplet.
        table: `tables/interpolation.csv`, means per method and gap; no rows without triplets.
        figure: one subject's interpolated sessions under the real ones.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    test = take_split(read_table(scans, SCANS), "test")
    triplets = _triplets(test, settings.interpolation)
    if triplets.empty:
        logging.warning(NONE)
        write_table(pd.DataFrame(columns=INTERPOLATED.names), per_triplet, INTERPOLATED)
        write_csv(pd.DataFrame(columns=COLUMNS), table)
        draw_note(figure, title="Interpolation", note=f"Nothing to draw: {NONE}.")
        return
    device, clip = pick_device(devices), settings.sampling.clip
    model = load_ldae(models, clip=clip, device=device)
    codes = torch.tensor(read_embeddings(embeddings, test), device=device)
    made_by, steps = inverted_by(models, "ldae", clip=clip), settings.interpolation.steps

    def answer(ends: pd.DataFrame) -> Tensor:
        """Clean latents between `start` and `end` of triplets at their `fraction`."""
        first, last = (ends[place].tolist() for place in ("start", "end"))
        z_T = read_inversions(inversions, test.iloc[[*first, *last]], made_by=made_by)
        return interpolate(
            model,
            torch.stack([z_T[: len(ends)], z_T[len(ends) :]]).to(device),
            torch.stack([codes[first], codes[last]]),
            torch.tensor(ends["fraction"].tolist(), device=device),
            steps=steps,
        )

    lines = []
    with torch.inference_mode():
        tally = Tally("interpolation", len(triplets), unit="triplets")
        for start in range(0, len(triplets), batch_size):
            some = triplets.iloc[start : start + batch_size]
            lines += _score(model, some, test, derivatives, answer(some), settings.metrics)
            tally.add(len(some))
        shown = triplets.loc[[_shown(triplets)]]
        fractions = list(settings.interpolation.fractions)
        along = shown.loc[shown.index.repeat(len(fractions))].assign(fraction=fractions)
        drawn = model.to_volume(answer(along)).clamp(0, 1)
    scored = pd.concat(lines, ignore_index=True)
    write_table(scored, per_triplet, INTERPOLATED)
    write_csv(_means(scored, settings), table)
    triplet = shown.iloc[0]
    real = load_batch(test.iloc[triplet[[*PLACES]].tolist()], derivatives, device)
    _draw(figure, triplet, real, drawn, fractions)


def interpolate(
    model: LatentDiffusionAutoencoder, z_T: Tensor, y: Tensor, fraction: Tensor, *, steps: int
) -> Tensor:
    """Clean latents (B, ...) between pairs z_T (2, B, ...) and y (2, B, E), at fractions (B)."""
    between = slerp(z_T[0], z_T[1], fraction)
    return model.sample(between, lerp(y[0], y[1], fraction), steps=steps)


def _triplets(test: pd.DataFrame, settings: Interpolation) -> pd.DataFrame:
    """The triplets to be scored, with the class of their gap."""
    found = all_triplets(test).rename(columns={"gap_months": "true_gap_months"})
    classes = [gap_class(gap, settings.gaps) for gap in found["true_gap_months"]]
    by = ["participant_id", "gap_months"]
    return at_most(found.assign(gap_months=classes), settings.max_triplets, by=by)


def _shown(triplets: pd.DataFrame) -> int:
    """The row of a triplet to draw: of the longest gaps the one nearest half-way, the first."""
    half_way = (triplets["fraction"] - 0.5).abs()
    return int(
        triplets.assign(off=half_way)
        .sort_values(["true_gap_months", "off"], ascending=[False, True], kind="stable")
        .index[0]
    )


def _score(
    model: LatentDiffusionAutoencoder,
    triplets: pd.DataFrame,
    test: pd.DataFrame,
    derivatives: Path,
    sampled: Tensor,
    settings: Metrics,
) -> list[pd.DataFrame]:
    """Rows of `INTERPOLATED` for triplets, of which `sampled` holds the interpolated latents."""
    used = sorted({position for place in PLACES for position in triplets[place]})
    batch = load_batch(test.iloc[used], derivatives, model.device)
    start, middle, end = ([used.index(each) for each in triplets[place]] for place in PLACES)
    fraction = torch.tensor(triplets["fraction"].tolist(), device=model.device)
    x, z_0 = batch.x, model.to_latent(batch.x)
    nearest = [
        a if f <= 0.5 else b for a, b, f in zip(start, end, triplets["fraction"], strict=True)
    ]
    decoded = model.to_volume(z_0[middle]).clamp(0, 1)
    answers = {
        "ldae": model.to_volume(sampled),
        NEAREST: x[nearest],
        "voxel-average": lerp(x[start], x[end], fraction),
        "latent-average": model.to_volume(lerp(z_0[start], z_0[end], fraction)),
        "autoencoder": decoded,  # of the very scan: what compression alone costs
    }
    scorer, brain = ImageScorer(settings.ssim_window, perceptual=None), batch.brain[middle]
    lines = []
    for method, volumes in answers.items():
        scores = scorer.score(volumes, x[middle], brain, metrics=REAL)
        paper = scorer.score(volumes, decoded, brain, metrics=PAPER)
        scores |= {f"{name}_decoded": values for name, values in paper.items()}
        numbers = {name: values.double().cpu().numpy() for name, values in scores.items()}
        lines.append(triplets.drop(columns=[*PLACES]).assign(method=method, **numbers))
    return lines


def _means(scored: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Means over triplets with intervals over subjects, by method and class of gap."""
    lines = []
    for gap, of_gap in scored.groupby("gap_months", sort=True):
        beside = of_gap[of_gap["method"] == NEAREST]
        for method, group in of_gap.groupby("method", sort=False):
            means: dict[str, Statistic] = {name: mean_of(group[name].to_numpy()) for name in SCORES}
            means["ssim_gain"] = difference_of(means["ssim"], mean_of(beside["ssim"].to_numpy()))
            means["mse_ratio"] = ratio_of(group["mse"].to_numpy(), beside["mse"].to_numpy())
            lines.append(
                {"method": method, "gap_months": gap, "n_triplets": len(group)}
                | over_subjects(means, group, bootstrap=settings.bootstrap, seed=settings.seed)
                | {"n_subjects": group["participant_id"].nunique()}
                | {"mean_gap_months": group["true_gap_months"].mean()}
            )
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


def _draw(
    path: Path, triplet: pd.Series, real: ScanBatch, drawn: Tensor, fractions: list[float]
) -> None:
    """Real sessions above the interpolated ones nearest to them in time, and the change."""
    volumes = [volume.cpu().numpy() for volume in real.x[:, 0]]
    made = [volume.cpu().numpy() for volume in drawn[:, 0]]
    above: list[np.ndarray | None] = [None] * len(made)
    for fraction, volume in zip([0.0, triplet["fraction"], 1.0], volumes, strict=True):
        above[min(range(len(made)), key=lambda i: abs(fractions[i] - fraction))] = volume
    first = int(real.rows["months"].iloc[0])
    months = [first + fraction * triplet["true_gap_months"] for fraction in fractions]
    rows = [
        row
        for plane in ("axial", "coronal")
        for row in (
            Row("real", above, plane=plane),
            Row("interpolated", made, plane=plane),
            Row("minus first", [v - made[0] for v in made], plane=plane, kind="difference"),
        )
    ]
    draw_rows(
        path,
        title=f"Interpolation, {triplet['participant_id']}",
        columns=[f"month {month:g}" for month in months],
        rows=rows,
        centre=centre_of(real.brain[0, 0].cpu().numpy()),
    )
