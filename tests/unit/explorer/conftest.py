"""A page of three subjects: one with everything, one with little, one with pictures only."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldae.explorer.content import (
    Direction,
    Figure,
    Interpolation,
    Reading,
    Session,
    Step,
    Subject,
)
from ldae.explorer.page import Page, Shown, render
from ldae.explorer.viewer import niivue_module, read_widget
from ldae.explorer.volumes import nifti_header, pack, small_picture

SHAPE, SPACING = (12, 14, 10), 12.0
FIGURES = [Figure("brain volume", "800 ml", "at least 900 ml", beyond=True)]


def ball(size: float) -> str:
    """A volume whose radius and brightness follow `size`."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes))
    return pack(np.clip(size - 0.6 * distance, 0, 1) * (distance < size))


def picture() -> str:
    png = io.BytesIO()
    Image.new("L", (96, 96), 90).save(png, "PNG")
    return small_picture(png.getvalue())


def session(name: str, months: int, **more: object) -> Session:
    facts = {"age": 70.0 + months / 12, "diagnosis": "AD", "excluded": None}
    facts |= {"figures": FIGURES, "picture": None}
    return Session(session_id=name, months=months, **facts | more)


def whole() -> Subject:
    blobs = {f"A/{kind}{i}": ball(0.8 + 0.05 * i) for i in range(3) for kind in ("scan", "made")}
    blobs["A/made0"] = ball(0.75)
    blobs |= {f"A/{label}{at:+g}": ball(0.75 + at) for label in "xy" for at in (-0.2, 0.2)}
    blobs |= {f"A/month{m}": ball(0.7 + m / 100) for m in (0, 6, 12)}
    blobs |= {f"A/sample{i}": ball(0.7 + i / 10) for i in range(3)}
    blobs["A/picture"] = picture()
    names = ["ses-M000", "ses-M006", "ses-M012"]
    read = Reading(0.4, 71.0)
    sessions = [
        session(name, 6 * i, original=f"A/scan{i}", reconstruction=f"A/made{i}", read=read)
        for i, name in enumerate(names)
    ]
    lost = session("ses-M024", 24, picture="A/picture", excluded="brain smaller than 900 ml")
    directions = [
        Direction(
            name,
            [
                Step(-0.2, f"A/{label}-0.2", Reading(0.2, 68.0)),
                Step(0.0, "A/made0", Reading(0.4, 70.0)),
                Step(0.2, f"A/{label}+0.2", Reading(0.9, 75.0)),
            ],
        )
        for label, name in (("x", "Towards AD"), ("y", "Towards old age"))
    ]
    between = Interpolation(names, [0, 6, 12], [Step(m, f"A/month{m}", read) for m in (0, 6, 12)])
    samples = [Step(i, f"A/sample{i}") for i in range(3)]
    return Subject("sub-A", "F", "test", [*sessions, lost], directions, between, samples, blobs)


def bare() -> Subject:
    """Without probes, a second session or samples; and with a name that a page must escape."""
    blobs = {"B/scan": ball(0.8), "B/made": ball(0.7)}
    only = session("ses-M000", 0, original="B/scan", reconstruction="B/made", diagnosis=None)
    return Subject("sub-B</script><b>", None, "test", [only], blobs=blobs)


@pytest.fixture(scope="session")
def shown() -> Page:
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = [-(n - 1) / 2 * SPACING for n in SHAPE]
    pictured = Subject("sub-C", "M", "train", [session("ses-M000", 0, picture="C/picture")])
    return Page(
        run="tiny",
        synthetic=True,
        made_with="ldae",
        steps={"manipulation": 2, "interpolation": 3, "variation": 4},
        headers={
            "scan": nifti_header(SHAPE, affine, "uint8"),
            "difference": nifti_header(SHAPE, affine, "int16"),
        },
        shape=SHAPE,
        viewer=niivue_module(read_widget()),
        subjects=[whole(), bare(), replace(pictured, blobs={"C/picture": picture()})],
        shown=Shown(5, 9, "the page may take 5 MB", ""),
    )


@pytest.fixture(scope="session")
def page_path(shown: Page, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(render(shown), encoding="utf-8")
    return path
