"""Slices of volumes as figures: rows of panels in grey, differences and spreads in colour.

Volumes are RAS+. Slices are drawn with the patient's left on the left (neurological convention) and
superior or anterior up; every figure says so. The same numbers give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldae.runtime import atomic_path

Volume = NDArray[np.float32]
Plane = Literal["axial", "coronal", "sagittal"]
Kind = Literal["intensity", "difference", "spread"]

ORIENTATION = "patient's left is on the left"
AXES: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
COLOURS: dict[Kind, str] = {"intensity": "gray", "difference": "RdBu_r", "spread": "magma"}
PANEL_INCHES, LABEL_INCHES, BAR_INCHES, TITLE_INCHES = 1.55, 0.95, 0.75, 0.75
DPI = 110


@dataclass(frozen=True)
class Row:
    """Volumes `(X, Y, Z)` drawn side by side in one plane; None leaves a cell empty.

    Intensities are drawn from 0 to 1; differences and spreads to the row's own largest magnitude,
    named beside the row (`limit` fixes it, so that rows can share one).
    """

    label: str
    volumes: Sequence[Volume | None]
    plane: Plane = "axial"
    kind: Kind = "intensity"
    limit: float | None = None


def draw_rows(
    path: Path,
    *,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    centre: tuple[int, int, int],
) -> None:
    """Write a PNG of `rows` under the headings `columns`, cut through the voxel `centre`."""
    cells = [[_cut(v, row.plane, centre) for v in row.volumes] for row in rows]
    heights = [max(c.shape[0] / c.shape[1] for c in row if c is not None) for row in cells]
    width = LABEL_INCHES + PANEL_INCHES * len(columns) + BAR_INCHES
    height = TITLE_INCHES + PANEL_INCHES * sum(heights)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.12 / width, 1 - 0.12 / height, title, va="top", fontsize=10, weight="bold")
    figure.text(0.12 / width, 1 - 0.34 / height, _caption(rows), va="top", fontsize=7.5)
    top = height - TITLE_INCHES
    for row, slices, ratio in zip(rows, cells, heights, strict=True):
        top -= PANEL_INCHES * ratio
        limit = _limit(row, slices)
        for column, image in enumerate(slices):
            left = LABEL_INCHES + PANEL_INCHES * column
            box = (left / width, top / height, PANEL_INCHES / width, PANEL_INCHES * ratio / height)
            axes = figure.add_axes((box[0], box[1], box[2] * 0.98, box[3] * 0.98))
            _show(axes, image, row.kind, limit)
            if row is rows[0]:
                axes.set_title(columns[column], fontsize=8, pad=3)
        middle = (top + PANEL_INCHES * ratio / 2) / height
        figure.text(0.12 / width, middle, row.label, va="center", fontsize=8, linespacing=1.2)
        if row.kind != "intensity":
            _bar(figure, row.kind, limit, (width, height, top, PANEL_INCHES * ratio))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def draw_note(path: Path, *, title: str, note: str) -> None:
    """Write a PNG that says why there is nothing to draw."""
    width, height = LABEL_INCHES + 5 * PANEL_INCHES, TITLE_INCHES
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.12 / width, 1 - 0.12 / height, title, va="top", fontsize=10, weight="bold")
    figure.text(0.12 / width, 1 - 0.42 / height, note, va="top", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def centre_of(brain: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The voxel in the middle of a mask's bounding box; of the volume when the mask is empty."""
    if not brain.any():
        x, y, z = (size // 2 for size in brain.shape)
        return x, y, z
    x, y, z = ((int(where.min()) + int(where.max()) + 1) // 2 for where in np.nonzero(brain))
    return x, y, z


def _cut(volume: Volume | None, plane: Plane, centre: tuple[int, int, int]) -> NDArray[Any] | None:
    if volume is None:
        return None
    axis = AXES[plane]
    image: NDArray[Any] = np.take(volume, centre[axis], axis=axis)
    return image.T


def _show(axes: Axes, image: NDArray[Any] | None, kind: Kind, limit: float) -> None:
    axes.set_axis_off()
    if image is None:
        return
    low = -limit if kind == "difference" else 0.0
    axes.imshow(
        image, cmap=COLOURS[kind], vmin=low, vmax=limit, origin="lower", interpolation="nearest"
    )


def _limit(row: Row, slices: Sequence[NDArray[Any] | None]) -> float:
    if row.kind == "intensity":
        return 1.0
    if row.limit is not None:
        return row.limit
    largest = max(float(np.abs(image).max()) for image in slices if image is not None)
    return largest or 1.0


def _bar(figure: Figure, kind: Kind, limit: float, place: tuple[float, ...]) -> None:
    width, height, bottom, tall = place
    box = (1 - (BAR_INCHES - 0.08) / width, (bottom + 0.15 * tall) / height)
    axes = figure.add_axes((*box, 0.09 / width, 0.7 * tall / height))
    low = -limit if kind == "difference" else 0.0
    ramp = np.linspace(low, limit, 128)[:, None]
    axes.imshow(
        ramp, cmap=COLOURS[kind], aspect="auto", origin="lower", extent=(0.0, 1.0, low, limit)
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks(sorted({low, 0.0, limit}))
    axes.set_yticklabels([f"{tick:.2g}" for tick in sorted({low, 0.0, limit})], fontsize=6.5)


def _caption(rows: Sequence[Row]) -> str:
    *others, last = dict.fromkeys(row.plane for row in rows)
    planes = f"{', '.join(others)} and {last}" if others else last
    return f"{planes} slices, {ORIENTATION}; grey from 0 to 1"
