"""Gather the scores of reconstructions in one table, with means over scans, and draw one scan."""

from pathlib import Path

import pandas as pd

from ldae.config import Bootstrap, Section
from ldae.errors import UserError
from ldae.metrics.statistics import mean_of
from ldae.metrics.summary import over_subjects
from ldae.report.examples import read_examples
from ldae.report.reconstruction import draw_reconstruction
from ldae.runtime import note_read
from ldae.tables import KEYS, RECONSTRUCTED, read_table, write_csv, write_table

GROUP = ["model", "start", "steps"]
METRICS = [name for name in RECONSTRUCTED.names if name not in (*GROUP, *KEYS)]
# The order of the tables: what is made without sampling, then the models.
MODELS = ["mean-brain", "other-scan", "autoencoder", "ldae", "ldm", "lddim", "dae"]


class Settings(Section):
    """How intervals are drawn."""

    seed: int
    bootstrap: Bootstrap


def evaluate_reconstruction(
    *,
    parts: list[Path],
    examples: list[Path],
    per_scan: Path,
    table: Path,
    figure: Path,
    settings: Settings,
) -> None:
    """Write all scores, their means with intervals over subjects, and one scan drawn.

    Args:
        parts: folders `reconstructions/{part}/T{steps}` with `scores.parquet` and
            `not_computed.txt`.
        examples: `reconstructions/{part}/T{steps}/example.npz` of `ldae` and of `controls`, with
            the same number of steps.
        per_scan: `tables/reconstruction.parquet`, one row per scan, model, start and steps.
        table: `tables/reconstruction.csv`, the means.
        figure: the first test scan beside its reconstructions.
        settings: see `Settings`.
    """
    scored = _in_order(pd.concat([_scores(folder) for folder in parts], ignore_index=True))
    twice = scored[scored.duplicated([*GROUP, *KEYS])]
    if len(twice):
        raise UserError("--parts: {} {} with {} steps is there twice".format(*twice.iloc[0][GROUP]))
    draw_reconstruction(figure, read_examples(examples))
    write_table(scored, per_scan, RECONSTRUCTED)
    write_csv(_means(scored, settings), table)


def _scores(folder: Path) -> pd.DataFrame:
    """The scores of a part, each with why some of them are empty: `not_computed`."""
    explanation = folder / "not_computed.txt"
    note_read(explanation)
    said = explanation.read_text(encoding="utf-8")
    return read_table(folder / "scores.parquet", RECONSTRUCTED).assign(not_computed=said)


def _in_order(scored: pd.DataFrame) -> pd.DataFrame:
    """By model and steps; within these as they come."""
    groups = [group for _, group in scored.groupby(GROUP, sort=False)]
    groups.sort(key=lambda each: (MODELS.index(each["model"].iloc[0]), each["steps"].iloc[0]))
    return pd.concat(groups, ignore_index=True)


def _means(scored: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Means over scans with intervals over subjects."""
    lines = []
    for keys, group in scored.groupby(GROUP, sort=False):
        statistics = {name: mean_of(group[name].to_numpy()) for name in METRICS}
        means = over_subjects(statistics, group, bootstrap=settings.bootstrap, seed=settings.seed)
        counts = {"n_scans": len(group), "n_subjects": group["participant_id"].nunique()}
        said = {"not_computed": group["not_computed"].iloc[0]}
        lines.append(dict(zip(GROUP, keys, strict=True)) | means | counts | said)
    return pd.DataFrame(lines)
