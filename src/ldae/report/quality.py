"""How good the preprocessed scans are: a histogram per figure with its bounds, outliers first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.tables import KEYS

WIDTH, HEIGHT, SIDE, BOTTOM, TOP = 320, 150, 10, 34, 16
BINS = 24
MAD_TO_DEVIATION = 1.4826  # of a Gaussian
LEAST_SPREAD = 1e-3  # of the median, where most scans have the same value
FARTHEST = 99.0
OUTCOME = "outcome"


@dataclass(frozen=True)
class Measure:
    """A figure of quality: the column it stands in, and the bounds beyond which a scan is lost."""

    column: str
    label: str
    unit: str
    decimals: int
    lowest: float | None
    highest: float | None

    def write(self, value: float) -> str:
        """The value with its unit."""
        return f"{value:.{self.decimals}f}{self.unit}"


@dataclass(frozen=True)
class Bar:
    """A bin of a histogram in pixels: kept scans below, excluded ones on top."""

    x: float
    width: float
    kept_y: float
    kept_height: float
    lost_y: float
    lost_height: float


@dataclass(frozen=True)
class Histogram:
    """One figure over all scans; places are in pixels, each with its text where it has one."""

    title: str
    summary: str
    bars: tuple[Bar, ...]
    bounds: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]


def all_scans(kept: pd.DataFrame, excluded: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Scans with figures, kept or excluded, with the column `outcome`: `kept`, or the reason."""
    names = [*KEYS, OUTCOME, *columns]
    lost = excluded.rename(columns={"reason": OUTCOME}).reindex(columns=names)
    both = pd.concat([kept.assign(**{OUTCOME: "kept"})[names], lost], ignore_index=True)
    both[list(columns)] = both[list(columns)].apply(pd.to_numeric, errors="coerce")
    return both[both[list(columns)].notna().any(axis=1)].reset_index(drop=True)


def outliers_first(scans: pd.DataFrame, measures: Sequence[Measure]) -> pd.DataFrame:
    """The scans, excluded ones first, then by how unusual their most unusual figure is.

    `deviations` is that figure's distance from the median of all scans towards a bound, in robust
    standard deviations; `of` names the figure.
    """
    far = np.stack([_deviations(scans[measure.column], measure) for measure in measures], axis=1)
    ordered = scans[[*KEYS, OUTCOME]].assign(
        deviations=far.max(axis=1).round(1),
        of=[measures[index].label for index in far.argmax(axis=1)],
        **{measure.column: scans[measure.column] for measure in measures},
    )
    kept = ordered[OUTCOME] == "kept"
    order = ordered.assign(kept=kept).sort_values(
        ["kept", "deviations", *KEYS], ascending=[True, False, True, True]
    )
    return order.drop(columns="kept").reset_index(drop=True)


def quality_summary(scans: pd.DataFrame, measures: Sequence[Measure]) -> pd.DataFrame:
    """One row per measure that any scan has: bounds, scans, excluded ones, and quartiles."""
    kept = scans[OUTCOME] == "kept"
    rows = []
    for measure in measures:
        values = scans[measure.column].dropna()
        if values.empty:
            continue
        lower, median, upper = (float(each) for each in values.quantile([0.25, 0.5, 0.75]))
        rows.append(
            {
                "figure": f"{measure.label}{measure.unit and f' ({measure.unit.strip()})'}",
                "least": measure.lowest,
                "most": measure.highest,
                "scans": len(values),
                "excluded": int((~kept[values.index]).sum()),
                "lower quartile": round(lower, measure.decimals),
                "median": round(median, measure.decimals),
                "upper quartile": round(upper, measure.decimals),
            }
        )
    return pd.DataFrame(rows)


def draw_histograms(scans: pd.DataFrame, measures: Sequence[Measure]) -> list[Histogram]:
    """One histogram per measure that any scan has."""
    return [
        _draw(scans[scans[measure.column].notna()], measure)
        for measure in measures
        if scans[measure.column].notna().any()
    ]


def _deviations(values: "pd.Series[float]", measure: Measure) -> NDArray[np.float64]:
    """How far each value is towards the bound; farthest of all where it could not be measured."""
    known = values.notna().to_numpy()
    far = np.full(len(values), FARTHEST)
    if known.any():
        numbers = values[known].to_numpy(dtype=float)
        middle = float(np.median(numbers))
        spread = MAD_TO_DEVIATION * float(np.median(np.abs(numbers - middle)))
        away = (numbers - middle) / max(spread, LEAST_SPREAD * abs(middle), 1e-9)
        up = away if measure.highest is not None else np.zeros_like(away)
        down = -away if measure.lowest is not None else np.zeros_like(away)
        far[known] = np.maximum(up, down).clip(0, FARTHEST)
    return far


def _draw(scans: pd.DataFrame, measure: Measure) -> Histogram:
    values = scans[measure.column].to_numpy(dtype=float)
    kept = (scans[OUTCOME] == "kept").to_numpy()
    bounds = [bound for bound in (measure.lowest, measure.highest) if bound is not None]
    low, high = min([*values, *bounds]), max([*values, *bounds])
    margin = 0.04 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    below, above = (np.histogram(values[side], edges)[0] for side in (kept, ~kept))
    tallest = max(int((below + above).max()), 1)

    def x_at(value: float) -> float:
        share = (value - edges[0]) / (edges[-1] - edges[0])
        return round(float(SIDE + share * (WIDTH - 2 * SIDE)), 1)

    def height(count: int) -> float:
        return round(count / tallest * (HEIGHT - TOP - BOTTOM), 1)

    floor = HEIGHT - BOTTOM
    middle = float(np.median(values))
    return Histogram(
        title=measure.label,
        summary=f"median {measure.write(middle)}, {measure.write(values.min())} to "
        f"{measure.write(values.max())}, {len(values)} scans, {int((~kept).sum())} excluded",
        bars=tuple(
            Bar(
                x_at(left),
                round(x_at(right) - x_at(left) - 1, 1),
                round(floor - height(keep), 1),
                height(keep),
                round(floor - height(keep) - height(lose), 1),
                height(lose),
            )
            for left, right, keep, lose in zip(
                edges[:-1], edges[1:], below.tolist(), above.tolist(), strict=True
            )
            if keep or lose
        ),
        bounds=tuple((x_at(bound), measure.write(bound)) for bound in bounds),
        ticks=tuple(
            (x_at(value), measure.write(value)) for value in sorted({values.min(), values.max()})
        ),
    )
