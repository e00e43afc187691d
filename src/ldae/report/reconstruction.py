"""The figure of reconstructions: one scan beside what the models make of it."""

from pathlib import Path

from ldae.errors import UserError
from ldae.report.examples import Example
from ldae.report.figures import Row, centre_of, draw_rows

# Columns: model and start as in `tables/reconstruction.csv`, and what they are called.
DRAWN = {
    ("autoencoder", "bottleneck"): "autoencoder",
    ("ldae", "encoded"): "encoded z_T",
    ("ldae", "semantic"): "y_sem only",
    ("ldm", "unconditional"): "no code",
}


def draw_reconstruction(path: Path, example: Example) -> None:
    """Draw a scan, its reconstructions that are in `DRAWN`, and what these add.

    Slices go through the middle of the brain.

    Raises:
        UserError: the example lacks one of them.
    """
    absent = [" ".join(key) for key in DRAWN if key not in example.made]
    if absent:
        raise UserError(
            f"--examples: no {', '.join(absent)}; give those of ldae and of controls, made with "
            "the same number of steps"
        )
    scan = example.scan
    drawn = [example.made[key].clip(0, 1) for key in DRAWN]
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
        title=f"Reconstruction of {example.name}",
        columns=["scan", *DRAWN.values()],
        rows=rows,
        centre=centre_of(example.brain),
    )
