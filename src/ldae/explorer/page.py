"""The explorer's HTML file: it opens from disk and asks nothing of a network."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.explorer.content import Subject

SHELL_BYTES = 30_000  # of the template, with every sentence
FILES = ("page.css", "page.js")


@dataclass(frozen=True)
class Shown:
    """What the page says of its choice.

    Attributes:
        test_subjects: how many there are to choose volumes from.
        all_subjects: how many there are to show pictures of.
        limit: the settings that bound the choice, in words.
        not_moved: why nothing is moved along directions; empty where it is.
    """

    test_subjects: int
    all_subjects: int
    limit: str
    not_moved: str


@dataclass(frozen=True)
class Page:
    """Everything the page shows.

    Attributes:
        run: the name of the run.
        synthetic: whether brains are computed, not scanned.
        made_with: what computed the volumes, and what shows them.
        steps: DDIM steps of each part.
        headers: of NIfTI files as base64: `scan` of 8 bits per voxel, `difference` of 16.
        shape: voxels along x, y and z.
        viewer: the module that brings `Niivue`.
        subjects: those with volumes first.
        shown: how they were chosen.
    """

    run: str
    synthetic: bool
    made_with: str
    steps: dict[str, int]
    headers: dict[str, str]
    shape: Sequence[int]
    viewer: str
    subjects: Sequence[Subject]
    shown: Shown


def render(page: Page) -> str:
    """The page as HTML; everything that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("ldae", "explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _asset("page.js")
    return environment.get_template("page.html").render(
        page=page,
        shown=page.shown,
        with_volumes=[each for each in page.subjects if each.has_volumes],
        with_pictures=[each for each in page.subjects if not each.has_volumes],
        style=Markup(_asset("page.css")),
        viewer=Markup(page.viewer),
        script=Markup(script),
        scripts=" ".join(f"'{_hash(each)}'" for each in (page.viewer, script)),
        content=Markup(_json(page)),
        blobs=[blob for each in page.subjects for blob in each.blobs.items()],
    )


def fixed_size(viewer: str) -> int:
    """Bytes of a page without subjects, of which it has a few to spare."""
    return len(viewer.encode()) + sum(len(_asset(name).encode()) for name in FILES) + SHELL_BYTES


def _json(page: Page) -> str:
    """What the script reads; nothing in it ends the element that holds it."""
    content: dict[str, Any] = {
        "headers": page.headers,
        "shape": list(page.shape),
        "subjects": [each.facts for each in page.subjects],
    }
    text = json.dumps(content, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(script: str) -> str:
    """By which the page's own security policy lets a script run, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
