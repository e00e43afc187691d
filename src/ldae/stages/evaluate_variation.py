"""Sample test scans' semantic codes from many z_T: what a code holds, and what it leaves open."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Metrics, Sampling, Section, Variation
from ldae.data.batches import load_batch
from ldae.data.choices import first_visits, take_split
from ldae.data.embeddings import read_embeddings
from ldae.errors import UserError
from ldae.metrics.directions import NEEDED, fit_on
from ldae.metrics.image import masked_mean, ssim_map
from ldae.metrics.probe import TooFewSubjects
from ldae.metrics.statistics import Statistic, divide
from ldae.metrics.summary import defined_mean, over_subjects, root_mean
from ldae.metrics.tasks import AD_VS_CN, AGE
from ldae.models.ldae import load_ldae
from ldae.progress import Tally
from ldae.report.figures import Row, Volume, centre_of, draw_note, draw_rows
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import KEYS, SCANS, VARIED, read_table, write_csv, write_table

READ = ("probability", "age")
MEASURES = [
    "sd_brain",
    "ssim_pairs",
    *[f"{name}_{end}" for name in READ for end in ("sd", "ratio")],
]
COLUMNS = [
    "varied",
    *[f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")],
    *("n_subjects", "n_samples"),
]
DRAWN = 4  # samples
SUBJECTS_DRAWN = 3


class Settings(Section):
    """How many samples of how many subjects are drawn, and how they are compared."""

    seed: int
    sampling: Sampling
    variation: Variation
    metrics: Metrics
    bootstrap: Bootstrap


class Samples(NamedTuple):
    """Volumes (S, 1, X, Y, Z) of one subject, from the same z_T as every other's; its own scan."""

    volumes: Tensor
    scan: Tensor
    brain: Tensor
    row: pd.Series


def evaluate_variation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    per_sample: Path,
    table: Path,
    figure: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Sample the codes of test subjects' first scans from the same random z_T for all.

    So each sample has a neighbour of the same code and another z_T, and one of the same z_T and
    another subject's code. `table` has a row for either, and one for the subjects' scans:
    `sd_brain`, the standard deviation of a voxel in the brain, and `ssim_pairs`, from neighbouring
    pairs; `_sd`, the standard deviation of what probes read from the samples encoded again, and
    `_ratio`, that over the standard deviation across the scans. Without the subjects that probes
    need, tables are empty and the figure says so.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the scans' codes, on whose training scans probes are fitted.
        per_sample: `tables/variation.parquet`, one row per subject and sample, and per scan.
        table: `tables/variation.csv`, a row for what varies: `z_T`, `y_sem`, `scans`.
        figure: scans of subjects of each diagnosis, samples and their mean, and where they differ.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.

    Raises:
        UserError: there is only one test subject.
    """
    use_threads(threads)
    device, chosen = pick_device(devices), settings.variation
    rows = read_table(scans, SCANS)
    train = take_split(rows, "train")
    subjects = first_visits(take_split(rows, "test"), chosen.max_subjects)
    if len(subjects) < 2:
        raise UserError("variation compares test subjects, and there is one; enlarge split: test")
    known = read_embeddings(embeddings, train)
    try:
        diagnosis, age = (fit_on(task, train, known, chosen.probe) for task in (AD_VS_CN, AGE))
    except TooFewSubjects as error:
        logging.warning("%s (%s)", NEEDED, error)
        write_table(pd.DataFrame(columns=VARIED.names), per_sample, VARIED)
        write_csv(pd.DataFrame(columns=COLUMNS), table)
        draw_note(figure, title="Variation", note=f"Nothing to draw: {NEEDED}.")
        return
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    codes = torch.tensor(read_embeddings(embeddings, subjects), device=device)
    generators = [seeded_generator(settings.seed, "variation", i) for i in range(chosen.samples)]
    noise = torch.stack([torch.randn(model.latent_shape, generator=each) for each in generators])
    window = settings.metrics.ssim_window

    def draw(position: int) -> Samples:
        scan = load_batch(subjects.iloc[[position]], derivatives, device)
        parts = [
            model.to_volume(
                model.sample(z_T, codes[[position]].expand(len(z_T), -1), steps=chosen.steps)
            )
            for z_T in torch.split(noise, batch_size)
        ]
        return Samples(torch.cat(parts).clamp(0, 1), scan.x, scan.brain, subjects.iloc[position])

    lines, shown, drawn = [], _examples(subjects), []
    with torch.inference_mode():
        first = here = draw(0)
        tally = Tally("variation", len(subjects), unit="subjects")
        for position in range(len(subjects)):
            drawn += [here] if position in shown else []
            following = draw(position + 1) if position + 1 < len(subjects) else first
            own = torch.cat([here.scan, here.volumes])
            again = torch.cat([model.encode(x) for x in torch.split(own, batch_size)])
            read = again.double().cpu().numpy()
            other = torch.cat([following.scan, following.volumes])
            line = pd.DataFrame({"sample": range(len(own))}).assign(
                **here.row[KEYS],
                probability=diagnosis.probability(read),
                age=age.score(read),
                **_compare("noise", own, other, here.brain, window),
            )
            alike = _compare("code", here.volumes, here.volumes.roll(-1, 0), here.brain, window)
            for name, values in alike.items():
                line.loc[1:, name] = values
            lines.append(line)
            here = following
            tally.add()
    varied = pd.concat(lines, ignore_index=True)
    write_table(varied, per_sample, VARIED)
    write_csv(_table(varied, settings), table)
    _draw(figure, drawn)


def _compare(
    same: str, one: Tensor, other: Tensor, brain: Tensor, window: int
) -> dict[str, np.ndarray]:
    """SSIM of pairs of volumes (B, 1, X, Y, Z), and their MSE inside the brain, pair by pair."""
    pairs = [
        (ssim_map(a, b, window=window).mean(), masked_mean((a - b) ** 2, brain)[0])
        for a, b in zip(torch.split(one, 1), torch.split(other, 1), strict=True)
    ]
    ssim, mse = (
        np.array([float(value) for value in column]) for column in zip(*pairs, strict=True)
    )
    return {f"ssim_same_{same}": ssim, f"mse_same_{same}": mse}


def _table(varied: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The row of each thing that may vary, from squared deviations and pairs by subject."""
    samples, scans = varied[varied["sample"] > 0], varied[varied["sample"] == 0]
    across = {name: _squared(scans, name, by=None) for name in READ}
    parts = {
        "z_T": (samples, "code", "participant_id"),
        "y_sem": (samples, "noise", "sample"),
        "scans": (scans, "noise", None),
    }
    lines = []
    for name, (part, same, by) in parts.items():
        means = part.groupby("participant_id")[[f"ssim_same_{same}", f"mse_same_{same}"]].mean()
        statistics: dict[str, Statistic] = {
            # two draws differ by twice the variance
            "sd_brain": root_mean(means[f"mse_same_{same}"].to_numpy() / 2),
            "ssim_pairs": defined_mean(means[f"ssim_same_{same}"].to_numpy()),
        }
        for read in READ:
            spread = root_mean(_squared(part, read, by=by))
            statistics[f"{read}_sd"] = spread
            statistics[f"{read}_ratio"] = _over(spread, root_mean(across[read]))
        lines.append(
            {"varied": name}
            | over_subjects(
                statistics, means.reset_index(), bootstrap=settings.bootstrap, seed=settings.seed
            )
            | {"n_subjects": len(means), "n_samples": len(part)}
        )
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


def _squared(part: pd.DataFrame, name: str, *, by: str | None) -> np.ndarray:
    """Each subject's mean squared deviation from the mean of its group, unbiased by its size."""
    groups = part.groupby(by)[name] if by else part.assign(all=0).groupby("all")[name]
    size = groups.transform("size")
    squared = (part[name] - groups.transform("mean")) ** 2 * size / (size - 1)
    return squared.groupby(part["participant_id"]).mean().to_numpy()


def _over(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: divide(one(weights), other(weights))


def _examples(subjects: pd.DataFrame) -> list[int]:
    """Positions of subjects to draw: the diagnoses take turns."""
    turns = subjects.groupby("diagnosis", dropna=False).cumcount()
    return turns.sort_values(kind="stable").index[:SUBJECTS_DRAWN].tolist()


def _draw(path: Path, subjects: list[Samples]) -> None:
    """Of each subject the scan, some samples and their mean; below, how far each is from it."""
    means = [each.volumes[:, 0].mean(0) for each in subjects]
    distances = [(x.volumes[:, 0] - mean).abs() for x, mean in zip(subjects, means, strict=True)]
    limit = max(float(each.max()) for each in distances) or 1.0
    rows = []
    for each, mean, distance in zip(subjects, means, distances, strict=True):
        volumes = _arrays(each.scan[0, 0], *each.volumes[:DRAWN, 0], mean)
        departures = [None, *_arrays(*distance[:DRAWN], each.volumes[:, 0].std(0))]
        name = each.row["diagnosis"] if pd.notna(each.row["diagnosis"]) else "unknown"
        for plane in ("axial", "coronal"):
            rows += [
                Row(f"{name}\n{plane}", volumes, plane=plane),
                Row("|minus\nmean|, sd", departures, plane=plane, kind="spread", limit=limit),
            ]
    count, names = len(subjects[0].volumes), [each.row["participant_id"] for each in subjects]
    draw_rows(
        path,
        title=f"One y_sem, {count} z_T: {', '.join(names)}",
        columns=["scan", *[f"sample {index + 1}" for index in range(min(DRAWN, count))], "mean"],
        rows=rows,
        centre=centre_of(subjects[0].brain[0, 0].cpu().numpy()),
    )


def _arrays(*volumes: Tensor) -> list[Volume]:
    return [volume.cpu().numpy() for volume in volumes]
