"""The paper's numbers beside this run's: what is reported, what was measured, and who is better.

A printed number stands for the range that rounds to it (`0.962`: 0.9615 to 0.9625) and a printed
bound for everything beyond it (`>0.93`). This run is *inside* when its interval touches that range.
Beyond it, it is *undecided* where resampling subjects gave the same number every time, as a recall
of 1 does: an interval without width does not mean certainty. Counts are *counted*, not judged.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from ldae.errors import UserError
from ldae.report.labels import COUNTED, LOWER_IS_BETTER, MODELS

Verdict = Literal["inside", "better", "worse", "undecided", "counted", "not computed"]

REPORTED = ["table", "row", "metric", "paper", "note"]
COMPARED = [
    "table", "row", "metric", "paper", "this_run", "low", "high", "verdict", "cause", "note",
]  # fmt: skip

# By which columns of this run's table of the same name a row of the paper is looked up.
SOURCES = {
    "reconstruction": ("model", "start", "steps"),
    "models": ("model", "start"),
    "downstream": ("encoder", "task"),
    "interpolation": ("method", "gap_months"),
    "throughput": ("model", "operation"),
}
AS_PAPER = "_as_paper"  # ends the names of tasks that follow the paper's code


class Measured(NamedTuple):
    """A number of this run with its interval; without one, both ends are the number itself.

    `degenerate` says that there is an interval, and that it has no width.
    """

    value: float
    low: float
    high: float
    degenerate: bool = False


class Number(NamedTuple):
    """Which of the paper's numbers: `row` is `ldae/encoded/50`, its first part the `model`."""

    table: str
    row: str
    metric: str

    @property
    def model(self) -> str:
        """What the number is of."""
        return self.row.partition("/")[0]


Causes = Callable[[Number], list[str]]
"""The known reasons why this run may differ in a number."""


class Scope(NamedTuple):
    """What a run was told to do: models to do without, and the months that gaps are classed by."""

    left_out: Sequence[str] = ()
    gaps: Sequence[int] = ()  # none: not known


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
    if measured.degenerate:
        return "undecided"
    return "better" if (measured.high < low) == lower_is_better else "worse"


def by_the_papers_definitions(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of this run's table `name` that the paper's stand beside.

    Of probes those trained and scored as the paper's code does; of speeds those at the most steps,
    since it does not say how many it took.
    """
    if name == "downstream":
        chosen = table[table["task"].str.endswith(AS_PAPER)]
        return chosen.assign(task=chosen["task"].str.removesuffix(AS_PAPER))
    if name == "throughput":
        most: pd.DataFrame = table[table["steps"] == table["steps"].max()]
        return most
    return table


def measure(
    frame: pd.DataFrame, keys: Mapping[str, str], metric: str, *, scope: Scope
) -> Measured | str:
    """The number in the row of `frame` named by `keys`, or why there is none."""
    found = frame
    for column, wanted in keys.items():
        present = found[column].astype(str)
        if wanted not in set(present):
            return _why_absent(column, wanted, present, scope)
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
    return Measured(value, low, high, degenerate=low == high and all(map(pd.notna, ends)))


def compare(
    reported: pd.DataFrame,
    measured: Mapping[str, pd.DataFrame],
    causes: Causes,
    *,
    scope: Scope,
) -> pd.DataFrame:
    """Every reported number with this run's, in the order of `reported`; columns `COMPARED`.

    `measured` holds this run's tables by name.
    """
    sources = {name: by_the_papers_definitions(name, table) for name, table in measured.items()}
    rows = []
    for record in reported.to_dict("records"):
        number = Number(record["table"], record["row"], record["metric"])
        keys = dict(zip(SOURCES[number.table], number.row.split("/"), strict=True))
        result: Measured | str = f"this run has no table {number.table}"
        if number.table in sources:
            result = measure(sources[number.table], keys, number.metric, scope=scope)
        if isinstance(result, str):
            rows.append(record | {"verdict": "not computed", "cause": result})
            continue
        judged: Verdict = "counted"
        if number.metric not in COUNTED:
            lower_is_better = number.metric in LOWER_IS_BETTER
            judged = verdict(record["paper"], result, lower_is_better=lower_is_better)
        numbers = {"this_run": result.value, "low": result.low, "high": result.high}
        rows.append(record | numbers | {"verdict": judged, "cause": "; ".join(causes(number))})
    return pd.DataFrame(rows).reindex(columns=COMPARED)


def explanations(table: pd.DataFrame) -> dict[str, str]:
    """Why columns are empty, by name, from the column `not_computed` (`metric: reason; ...`)."""
    said: Iterable[object] = table["not_computed"].dropna() if "not_computed" in table else []
    parts = [part for line in dict.fromkeys(said) for part in str(line).split("; ")]
    return {name: f"{name}: {why}" for name, _, why in (part.partition(": ") for part in parts)}


def _why_absent(column: str, wanted: str, present: "pd.Series[str]", scope: Scope) -> str:
    if wanted in scope.left_out:
        return f"{MODELS.get(wanted, wanted)} was not run: it is not among the `baselines`"
    if column == "steps":
        there = sorted({int(steps) for steps in present})
        return f"this run samples with {', '.join(map(str, there))} steps only"
    if column == "gap_months" and scope.gaps and int(wanted) not in scope.gaps:
        classes = ", ".join(map(str, scope.gaps))
        return f"{wanted} months are not among the `interpolation.gaps` ({classes})"
    if column == "gap_months":
        gaps = sorted({int(gap) for gap in present})
        return (
            f"no test subject of this cohort has three sessions over {wanted} months "
            f"(there are gaps of {', '.join(map(str, gaps))})"
        )
    if present.empty:
        return "the table has no rows, see its stage's log"
    return f"{MODELS.get(wanted, wanted)} is not evaluated in this version"
