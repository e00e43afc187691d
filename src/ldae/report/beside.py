"""The paper's numbers as the page shows them: each with this run's number and the verdict."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ldae.report.comparison import SOURCES, by_the_papers_definitions
from ldae.report.headline import computed, headline_rows, interval
from ldae.report.html_table import EMPTY, Cell, HtmlTable, csv_uri
from ldae.report.labels import metric_label, row_label

HEADLINE = (
    "Model, start, question",
    "Metric",
    "Paper",
    "This run [interval]",
    "Subjects",
    "Verdict",
)


@dataclass(frozen=True)
class Compared:
    """One of the paper's numbers beside this run's."""

    metric: str
    paper: str
    this_run: str
    verdict: str

    @property
    def order(self) -> str:
        """What the printed number is sorted by."""
        return self.paper.lstrip("<>")


@dataclass(frozen=True)
class Beside:
    """Rows of a table of the paper that report the same metrics: their names and numbers.

    `download` is their CSV as a data URI.
    """

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Compared, ...]], ...]
    download: str


def papers_tables(comparison: pd.DataFrame) -> dict[str, list[Beside]]:
    """Every table of the paper, with this run's numbers; a part per set of metrics."""
    return {str(name): _parts(part) for name, part in comparison.groupby("table", sort=False)}


def headline(comparison: pd.DataFrame, subjects: "pd.Series[float]") -> HtmlTable | None:
    """The numbers beside this run's, where it has any, with how many `subjects` each is about."""
    rows = headline_rows(comparison.assign(n_subjects=subjects))
    rows = rows[computed(rows)]
    cells, above = [], ""
    for row in rows.to_dict("records"):
        label, compared = row_label(row["table"], row["row"]), _compared(row)
        count = EMPTY if pd.isna(row["n_subjects"]) else str(int(row["n_subjects"]))
        cells.append(
            (
                Cell(label, same=label == above),
                Cell(compared.metric),
                Cell(compared.paper, compared.order),
                Cell(compared.this_run, "" if pd.isna(row["this_run"]) else repr(row["this_run"])),
                Cell(count, "" if count == EMPTY else count),
                Cell(compared.verdict),
            )
        )
        above = label
    numeric = (False, False, True, True, True, False)
    return (
        HtmlTable("headline", HEADLINE, numeric, tuple(cells), (), csv_uri(rows)) if cells else None
    )


def subjects_behind(
    comparison: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> "pd.Series[float]":
    """How many test subjects this run's number in each row is about; NaN where that is not told."""
    sources = {
        name: by_the_papers_definitions(name, table).astype(dict.fromkeys(SOURCES[name], str))
        for name, table in tables.items()
        if name in SOURCES and "n_subjects" in table
    }
    counts = [
        _subjects(sources[table], SOURCES[table], row) if table in sources else float("nan")
        for table, row in zip(comparison["table"], comparison["row"], strict=True)
    ]
    return pd.Series(counts, index=comparison.index, dtype="float64")


def _subjects(table: pd.DataFrame, columns: tuple[str, ...], row: str) -> float:
    found = table
    for column, wanted in zip(columns, row.split("/"), strict=True):
        found = found[found[column] == wanted]
    return float(found["n_subjects"].min()) if len(found) else float("nan")


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
    whole = csv_uri(table)
    for row, numbers in table.groupby("row", sort=False):
        compared = tuple(_compared(number) for number in numbers.to_dict("records"))
        label = row_label(str(numbers["table"].iloc[0]), str(row))
        parts.setdefault(tuple(each.metric for each in compared), []).append((label, compared))
    return [Beside(metrics, tuple(rows), whole) for metrics, rows in parts.items()]


def _compared(row: dict[Hashable, Any]) -> Compared:
    absent = pd.isna(row["this_run"])
    run = EMPTY if absent else interval(row["this_run"], row["low"], row["high"])
    return Compared(metric_label(row["metric"]), row["paper"], run, row["verdict"])
