"""The paper's numbers as the page shows them: each with this run's number and the verdict."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ldae.report.headline import computed, headline_rows, interval
from ldae.report.html_table import EMPTY
from ldae.report.labels import metric_label, row_label


@dataclass(frozen=True)
class Compared:
    """One of the paper's numbers beside this run's."""

    metric: str
    paper: str
    this_run: str
    verdict: str


@dataclass(frozen=True)
class Beside:
    """Rows of a table of the paper that report the same metrics: their names and numbers."""

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Compared, ...]], ...]


def papers_tables(comparison: pd.DataFrame) -> dict[str, list[Beside]]:
    """Every table of the paper, with this run's numbers; a part per set of metrics."""
    return {str(name): _parts(part) for name, part in comparison.groupby("table", sort=False)}


def headline(comparison: pd.DataFrame) -> dict[str, list[Compared]]:
    """By row of the paper, its numbers beside this run's, where this run has any."""
    rows = headline_rows(comparison)
    groups: dict[str, list[Compared]] = {}
    for row in rows[computed(rows)].to_dict("records"):
        groups.setdefault(row_label(row["table"], row["row"]), []).append(_compared(row))
    return groups


def tiles(comparison: pd.DataFrame) -> list[tuple[str, Compared]]:
    """The three numbers of the paper's abstract that this run has."""
    rows = headline_rows(comparison)
    rows = rows[rows["this_run"].notna()]
    chosen = rows[
        (rows["row"].str.startswith("ldae/encoded") & (rows["metric"] == "ssim"))
        | (rows["row"].str.startswith("ldae/") & rows["metric"].isin(["roc_auc", "mae"]))
    ]
    return [
        (row_label(row["table"], row["row"]), _compared(row)) for row in chosen.to_dict("records")
    ]


def missing(comparison: pd.DataFrame) -> list[tuple[str, int]]:
    """Why numbers of the paper have none of this run beside them, with how many."""
    causes = comparison.loc[comparison["verdict"] == "not computed", "cause"]
    return [(str(cause), len(rows)) for cause, rows in causes.groupby(causes, sort=False)]


def _parts(table: pd.DataFrame) -> list[Beside]:
    parts: dict[tuple[str, ...], list[tuple[str, tuple[Compared, ...]]]] = {}
    for row, numbers in table.groupby("row", sort=False):
        compared = tuple(_compared(number) for number in numbers.to_dict("records"))
        label = row_label(str(numbers["table"].iloc[0]), str(row))
        parts.setdefault(tuple(each.metric for each in compared), []).append((label, compared))
    return [Beside(metrics, tuple(rows)) for metrics, rows in parts.items()]


def _compared(row: dict[Hashable, Any]) -> Compared:
    absent = pd.isna(row["this_run"])
    run = EMPTY if absent else interval(row["this_run"], row["low"], row["high"])
    return Compared(metric_label(row["metric"]), row["paper"], run, row["verdict"])
