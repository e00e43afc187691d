"""The paper's numbers beside this run's: what is reported, what was measured, and who is better.

A printed number stands for the range that rounds to it (`0.962`: 0.9615 to 0.9625) and a printed
bound for everything beyond it (`>0.93`). This run is *inside* when its interval touches that range.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import pandas as pd

from ldae.errors import UserError
from ldae.report.labels import LOWER_IS_BETTER, MODELS

Verdict = Literal["inside", "better", "worse", "not computed"]

REPORTED = ["table", "row", "metric", "paper", "note"]
COMPARED = [
    "table", "row", "metric", "paper", "this_run", "low", "high", "verdict", "cause", "note",
]  # fmt: skip

# Which of this run's tables a row of the paper is looked up in, and by which columns.
RECONSTRUCTION = ("reconstruction", ("model", "start", "steps"))
SOURCES = {
    "reconstruction": RECONSTRUCTION,
    "models": RECONSTRUCTION,
    "downstream": ("downstream", ("encoder", "task")),
    "interpolation": ("interpolation", ("method", "gap_months")),
    "throughput": ("throughput", ("model",)),
}


class Measured(NamedTuple):
    """A number of this run with its interval; without one, both ends are the number itself."""

    value: float
    low: float
    high: float


def reported_range(printed: str) -> tuple[float, float]:
    """The values a printed number stands for.

    Raises:
        UserError: `printed` is neither a number nor a bound such as `>0.93`.
    """
    digits = printed.lstrip("<>")
    try:
        value = float(digits)
    except ValueError:
        raise UserError(f"paper: {printed!r} is neither a number nor a bound like >0.93") from None
    if printed.startswith(">"):
        return value, math.inf
    if printed.startswith("<"):
        return -math.inf, value
    half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    return value - half, value + half


def verdict(printed: str, measured: Measured, *, lower_is_better: bool) -> Verdict:
    """Where this run's interval lies relative to a printed number."""
    low, high = reported_range(printed)
    if measured.low <= high and low <= measured.high:
        return "inside"
    return "better" if (measured.high < low) == lower_is_better else "worse"


def measure(frame: pd.DataFrame, keys: Mapping[str, str], metric: str) -> Measured | str:
    """The number in the row of `frame` named by `keys`, or why there is none."""
    found = frame
    for column, wanted in keys.items():
        present = found[column].astype(str)
        if wanted not in set(present):
            return _why_absent(column, wanted, present)
        found = found[present == wanted]
    if len(found) != 1:
        raise UserError(f"{len(found)} rows for {'/'.join(keys.values())}: expected one")
    row = found.iloc[0]
    if metric not in row.index:
        return f"{metric} is not measured in this version"
    if pd.isna(row[metric]):
        return explanations(found).get(metric, "could not be computed on these test subjects")
    value = float(row[metric])
    ends = [row.get(f"{metric}{end}") for end in ("_low", "_high")]
    low, high = (value if end is None or pd.isna(end) else float(end) for end in ends)
    return Measured(value, low, high)


def compare(
    reported: pd.DataFrame, measured: Mapping[str, pd.DataFrame], causes: Mapping[str, list[str]]
) -> pd.DataFrame:
    """Every reported number with this run's, in the order of `reported`; columns `COMPARED`.

    `measured` holds this run's tables by name; `causes` the known reasons for a deviation, by table
    of the paper (`downstream`) or table and metric (`downstream.recall`).
    """
    rows = []
    for record in reported.to_dict("records"):
        source, columns = SOURCES[record["table"]]
        keys = dict(zip(columns, record["row"].split("/"), strict=True))
        result: Measured | str = _NOT_YET.get(source, f"there is no table {source}")
        if source in measured:
            result = measure(measured[source], keys, record["metric"])
        if isinstance(result, str):
            rows.append(record | {"verdict": "not computed", "cause": result})
            continue
        judged = verdict(
            record["paper"], result, lower_is_better=record["metric"] in LOWER_IS_BETTER
        )
        known = [
            *causes.get(record["table"], []),
            *causes.get(f"{record['table']}.{record['metric']}", []),
        ]
        numbers = {"this_run": result.value, "low": result.low, "high": result.high}
        rows.append(record | numbers | {"verdict": judged, "cause": "; ".join(known)})
    return pd.DataFrame(rows).reindex(columns=COMPARED)


def explanations(table: pd.DataFrame) -> dict[str, str]:
    """Why columns are empty, by name, from the column `not_computed` (`metric: reason; ...`)."""
    said: Iterable[object] = table["not_computed"].dropna() if "not_computed" in table else []
    parts = [part for line in dict.fromkeys(said) for part in str(line).split("; ")]
    return {name: f"{name}: {why}" for name, _, why in (part.partition(": ") for part in parts)}


_NOT_YET = {
    "interpolation": "interpolation is drawn for one subject, not scored over all, in this version",
    "throughput": "throughput is not measured in this version",
}


def _why_absent(column: str, wanted: str, present: "pd.Series[str]") -> str:
    if column in {"model", "encoder", "method"}:
        return f"{MODELS.get(wanted, wanted)} is not evaluated in this version"
    if column == "steps":
        there = sorted({int(steps) for steps in present})
        return f"this run samples with {', '.join(map(str, there))} steps only"
    return f"{column} {wanted} is not evaluated in this run"
