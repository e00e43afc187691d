"""Training curves as inline SVG, from the `train.jsonl` that every training writes."""

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ldae.errors import UserError
from ldae.report.headline import number

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 10, 30
POINTS = 200  # at most per line; more are averaged in equal bins
PLACES = {"samples", "step", "epoch", "seconds", "learning_rate"}  # not quantities to draw
SIDES = {"train": "training", "validation": "validation"}

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One drawn series: its name, SVG path and last value."""

    name: str
    path: str
    last: str


@dataclass(frozen=True)
class Chart:
    """One quantity over another; ticks are (position in pixels, text).

    `last` says where a line's last value is.
    """

    title: str
    x_name: str
    logarithmic: bool
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    last: str = "at the end"


def read_log(path: Path) -> list[dict[str, float]]:
    """The numbers of each line of a `train.jsonl`."""
    records = []
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {row}: not valid JSON ({error.msg})") from None
        records.append(
            {
                name: float(value)
                for name, value in record.items()
                if isinstance(value, int | float) and math.isfinite(value)
            }
        )
    return records


def draw_charts(records: list[dict[str, float]]) -> list[Chart]:
    """One chart per quantity; `train_x` and `validation_x` share the chart of `x`."""
    x_name = next((name for name in ("samples", "step") if records and name in records[0]), None)
    if x_name is None:
        return []
    series: dict[str, dict[str, Points]] = defaultdict(dict)
    for record in records:
        for name, value in record.items():
            if name in PLACES or x_name not in record:
                continue
            side, _, quantity = name.partition("_")
            side, quantity = (side, quantity) if side in SIDES else ("train", name)
            series[quantity].setdefault(side, []).append((record[x_name], value))
    return [
        _chart(quantity, x_name, sides)
        for quantity, sides in sorted(series.items(), key=lambda item: (item[0] != "loss", item[0]))
    ]


def _chart(title: str, x_name: str, sides: dict[str, Points]) -> Chart:
    thinned = {side: _thin(points) for side, points in sides.items()}
    xs = [x for points in thinned.values() for x, _ in points]
    ys = [y for points in thinned.values() for _, y in points]
    logarithmic = min(ys) > 0 and max(ys) > 20 * min(ys)
    scale = math.log10 if logarithmic else float
    low, high = _span(scale(min(ys)), scale(max(ys)))
    first, last = _span(min(xs), max(xs))

    def x_at(x: float) -> float:
        return round(LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y_at(y: float) -> float:
        share = (scale(y) - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def tick(share: float) -> float:
        position = low + share * (high - low)
        return 10**position if logarithmic else position

    return Chart(
        title.replace("_", " "),
        x_name,
        logarithmic,
        tuple(
            Line(
                SIDES[side],
                "M" + "L".join(f"{x_at(x)},{y_at(y)}" for x, y in points),
                number(sides[side][-1][1]),
            )
            for side, points in sorted(thinned.items())
        ),
        tuple((x_at(x), f"{x:,.0f}") for x in (first, last)),
        tuple((y_at(tick(share)), tick_text(tick(share))) for share in (0, 0.5, 1)),
    )


def tick_text(value: float) -> str:
    """Three digits, and no exponent where there is room for the number."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _thin(points: Points) -> Points:
    size = math.ceil(len(points) / POINTS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in chunk) / len(chunk), sum(y for _, y in chunk) / len(chunk))
        for chunk in bins
    ]


def _span(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)
