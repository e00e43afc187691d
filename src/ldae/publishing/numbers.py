"""Result tables of a run as the Markdown tables of a card, and as scores for its header."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

Row = dict[str, Any]  # of a result table

METRICS = {
    "ssim": "SSIM ↑",
    "ssim_brain": "SSIM in brain ↑",
    "mse": "MSE ↓",
    "psnr": "PSNR ↑ (dB)",
    "lpips": "LPIPS ↓",
    "roc_auc": "ROC-AUC ↑",
    "balanced_accuracy": "balanced accuracy ↑",
    "mae": "MAE ↓ (years)",
    "r2": "R² ↑",
}
# Model and start in the words of the tables: what it is, in those of a card.
RECONSTRUCTIONS: dict[tuple[str, ...], str] = {
    ("ldae", "encoded"): "this model, z_T from the scan",
    ("ldae", "semantic"): "this model, z_T random: the code alone",
    ("autoencoder", "bottleneck"): "its autoencoder alone, no diffusion",
    ("mean-brain", "mean-brain"): "control: the mean training brain",
}
PROBED = {
    "ldae": "this model's code",
    "supervised": "control: the same encoder, trained for the task",
    "random-init": "control: the same encoder, untrained",
    "voxel-pca": "control: principal components of voxels",
    "demographics": "control: age and sex alone",
}
METHODS = {
    "ldae": "this model",
    "nearest": "control: the nearer of the two scans",
    "voxel-average": "control: the average of the two, voxel by voxel",
}


@dataclass(frozen=True)
class Score:
    """A measured number for the header of a card."""

    task: str
    metric: str
    value: float


def shown(row: Row, metric: str) -> str:
    """`0.912 [0.900, 0.930]`, `0.912` without an interval around it, `–` where not computed."""
    value, low, high = row[metric], row.get(f"{metric}_low"), row.get(f"{metric}_high")
    if pd.isna(value):
        return "–"
    if pd.isna(low) or pd.isna(high) or low == high:
        return f"{value:.3g}"
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def reconstruction_lines(table: pd.DataFrame) -> list[str]:
    """How well scans come back, by start and number of steps, beside the controls."""
    return _lines(
        table.rename(columns={"steps": "DDIM steps"}),
        ["model", "start"],
        names=RECONSTRUCTIONS,
        beside=["DDIM steps"],
        metrics=["ssim", "ssim_brain", "mse", "lpips"],
        counts=["n_scans", "n_subjects"],
    )


def probe_lines(table: pd.DataFrame, task: str) -> list[str]:
    """What linear probes read out of the code, beside the controls; the task is a table's."""
    metrics = ["roc_auc", "balanced_accuracy"] if task == "ad_vs_cn" else ["mae", "r2"]
    return _lines(
        table[table["task"] == task],
        ["encoder"],
        names={(name,): words for name, words in PROBED.items()},
        beside=[],
        metrics=metrics,
        counts=["n_test", "n_subjects"],
    )


def interpolation_lines(table: pd.DataFrame) -> list[str]:
    """How like real sessions are what is interpolated between two others."""
    return _lines(
        table.rename(columns={"gap_months": "gap in months"}),
        ["method"],
        names={(name,): words for name, words in METHODS.items()},
        beside=["gap in months"],
        metrics=["ssim", "mse"],
        counts=["n_triplets", "n_subjects"],
    )


def scores(tables: dict[str, pd.DataFrame]) -> list[Score]:
    """The few numbers that machines read: of the code, and of the best-founded reconstruction."""
    found = []
    for task, metric in [("ad_vs_cn", "roc_auc"), ("age", "mae")]:
        for row in matching(tables, "downstream", encoder="ldae", task=task):
            found.append(Score(task, metric, float(row[metric])))
    for row in encoded(tables):
        found += [Score("reconstruction", name, float(row[name])) for name in ("ssim", "mse")]
    return [score for score in found if pd.notna(score.value)]


def matching(tables: dict[str, pd.DataFrame], name: str, **keys: str) -> list[Row]:
    """Rows of a table that say this in these columns; none where the run lacks the table."""
    if name not in tables:
        return []
    table = tables[name]
    for column, value in keys.items():
        table = table[table[column] == value]
    return _rows(table)


def encoded(tables: dict[str, pd.DataFrame]) -> list[Row]:
    """Of this model's reconstructions from z_T of the scan the row of the most steps, if any."""
    rows = matching(tables, "reconstruction", model="ldae", start="encoded")
    return sorted(rows, key=lambda row: int(row["steps"]))[-1:]


def _rows(table: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _lines(
    table: pd.DataFrame,
    keys: list[str],
    *,
    names: Mapping[tuple[str, ...], str],
    beside: list[str],
    metrics: Sequence[str],
    counts: list[str],
) -> list[str]:
    """Rows of `table` whose `keys` have a name, in the order of the names."""
    filled = [metric for metric in metrics if table[metric].notna().any()]
    heads = ["", *beside, *[METRICS[metric] for metric in filled], *[_plain(n) for n in counts]]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for key, words in names.items():
        chosen = (table[keys] == list(key)).all(axis=1)
        for row in _rows(table[chosen].sort_values(beside or keys)):
            before, after = ([str(row[name]) for name in part] for part in (beside, counts))
            measured = [shown(row, metric) for metric in filled]
            lines.append(_row([words, *before, *measured, *after]))
    return lines


def _plain(count: str) -> str:
    return count.removeprefix("n_").replace("test", "test scans")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
