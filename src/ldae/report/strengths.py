"""What edits do to scans, by strength: means over subjects as inline SVG."""

from typing import Any

import pandas as pd

from ldae.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Line
from ldae.report.headline import number
from ldae.report.labels import metric_label

MEASURES = ("probability", "age", "ventricle_ml", "hippocampus_ml")
LEAST_SPAN = 1e-9


def draw_strengths(table: pd.DataFrame) -> list[Chart]:
    """One chart per measure of `tables/manipulation.csv`, a line per direction."""
    return [
        _draw(table, measure)
        for measure in MEASURES
        if measure in table and table[measure].notna().any()
    ]


def _draw(table: pd.DataFrame, measure: str) -> Chart:
    known = table[table[measure].notna()].sort_values("strength")
    strengths, values = known["strength"], known[measure]
    left, right = float(strengths.min()), float(strengths.max())
    low, high = float(values.min()), float(values.max())

    def at(row: Any) -> str:
        strength, value = row
        x = LEFT + (strength - left) / max(right - left, LEAST_SPAN) * (WIDTH - LEFT - RIGHT)
        return f"{x:.1f},{height(value):.1f}"

    def height(value: float) -> float:
        share = (value - low) / max(high - low, LEAST_SPAN)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    lines = tuple(
        Line(
            str(direction),
            "M" + "L".join(at(row) for row in part[["strength", measure]].itertuples(index=False)),
            number(float(part[measure].iloc[-1])),
        )
        for direction, part in known.groupby("direction", sort=True)
    )
    middle = (low + high) / 2
    return Chart(
        metric_label(measure),
        "strength",
        False,
        lines,
        ((float(LEFT), f"{left:g}"), (float(WIDTH - RIGHT), f"{right:g}")),
        tuple((height(value), f"{value:.4g}") for value in (low, middle, high)),
        f"at {right:g}",
    )
