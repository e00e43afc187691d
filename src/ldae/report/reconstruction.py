"""The figure of reconstructions: one scan beside what the models make of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldae.report.figures import Row, Volume, centre_of, draw_rows

# Columns: model and start as in `tables/reconstruction.csv`, and what they are called.
DRAWN = {
    ("autoencoder", "bottleneck"): "autoencoder",
    ("ldae", "encoded"): "encoded z_T",
    ("ldae", "semantic"): "y_sem only",
    ("ldm", "unconditional"): "no code",
}


def draw_reconstruction(
    path: Path,
    name: str,
    scan: Volume,
    brain: NDArray[np.bool_],
    made: Mapping[tuple[str, str], Volume],
) -> None:
    """Draw a scan (X, Y, Z), its reconstructions `made` by model and start, and what these add.

    `name` says of whom and with how many steps; slices go through the middle of `brain`.
    """
    drawn = [made[key].clip(0, 1) for key in DRAWN]
    differences = [None, *[volume - scan for volume in drawn]]
    rows = [
        row
        for plane in ("axial", "coronal")
        for row in (
            Row(plane, [scan, *drawn], plane=plane),
            Row("minus scan", differences, plane=plane, kind="difference"),
        )
    ]
    draw_rows(
        path,
        title=f"Reconstruction of {name}",
        columns=["scan", *DRAWN.values()],
        rows=rows,
        centre=centre_of(brain),
    )
