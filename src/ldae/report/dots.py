"""Numbers with their intervals, one below the other over a common axis."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ldae.report.headline import number
from ldae.report.html_table import interval_text
from ldae.report.labels import MODELS, STARTS

MARGIN = 0.04  # of the range, on both sides
BASELINES = {"mean-brain", "demographics", "random-init", "other-scan"}


@dataclass(frozen=True)
class Dot:
    """One number; places in percent of the axis. `plain` ones are yardsticks, drawn in grey."""

    label: str
    text: str
    low: float
    place: float
    width: float
    plain: bool


@dataclass(frozen=True)
class DotChart:
    """Dots over one axis; `line` is where a reference stands, with its name."""

    title: str
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    line: tuple[float, str] | None


def dot_charts(frames: Mapping[str, pd.DataFrame]) -> dict[str, DotChart]:
    """The charts that the tables at hand allow."""
    charts = {}
    if "reconstruction" in frames:
        rows = _most_steps(frames["reconstruction"])
        for metric in ("ssim_brain", "ssim"):
            if metric in rows and rows[metric].notna().any():
                labels = [_start(row) for row in rows.to_dict("records")]
                title = "SSIM in the brain" if metric == "ssim_brain" else "SSIM"
                charts["dots-reconstruction"] = draw_dots(title, rows, labels, metric)
                break
    if "downstream" in frames:
        for task, metric, title, line in (
            ("ad_vs_cn", "roc_auc", "AD against CN: ROC-AUC", (0.5, "chance")),
            ("age", "mae", "Age: mean absolute error (years)", None),
        ):
            rows = frames["downstream"].query("task == @task")
            if metric in rows and rows[metric].notna().any():
                labels = [MODELS.get(name, name) for name in rows["encoder"]]
                charts[f"dots-{task}"] = draw_dots(title, rows, labels, metric, line=line)
    return charts


def draw_dots(
    title: str,
    rows: pd.DataFrame,
    labels: Sequence[str],
    metric: str,
    *,
    line: tuple[float, str] | None = None,
) -> DotChart:
    """The column `metric` of `rows` with its interval, one dot per row that has a number."""
    names = rows["encoder"] if "encoder" in rows else rows["model"]
    values = rows[metric]
    low, high = (rows.get(f"{metric}{end}", values).fillna(values) for end in ("_low", "_high"))
    marks = [low.min(), high.max(), *([line[0]] if line else [])]
    first, last = min(marks), max(marks)
    room = MARGIN * (last - first) or 0.5
    first, last = first - room, last + room

    def at(value: float) -> float:
        return round(float(100 * (value - first) / (last - first)), 2)

    dots = tuple(
        Dot(
            label,
            interval_text(value, lower, upper),
            at(lower),
            at(value),
            round(at(upper) - at(lower), 2),
            str(name) in BASELINES,
        )
        for label, name, value, lower, upper in zip(labels, names, values, low, high, strict=True)
        if pd.notna(value)
    )
    ticks = tuple((at(value), number(value)) for value in (low.min(), high.max()))
    return DotChart(title, dots, ticks, (at(line[0]), line[1]) if line else None)


def _most_steps(table: pd.DataFrame) -> pd.DataFrame:
    most = table.groupby(["model", "start"])["steps"].transform("max")
    chosen: pd.DataFrame = table[table["steps"] == most]
    return chosen


def _start(row: Mapping[Hashable, object]) -> str:
    model, start = str(row["model"]), str(row["start"])
    said = MODELS.get(model, model)
    steps = f", T = {row['steps']}" if row["steps"] else ""
    return said if start == model else f"{said}, {STARTS.get(start, start)}{steps}"
