"""What the results page holds, before it is HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ldae.config import Results
from ldae.report.curves import Chart
from ldae.report.html_table import HtmlTable, data_uri
from ldae.report.methods import Facts
from ldae.report.quality import Histogram
from ldae.report.resources import Resources

MEDIA = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """An image as a data URI; `name` is its file's stem."""

    name: str
    source: str


@dataclass(frozen=True)
class Gap:
    """Something a reader may look for and why it is not there."""

    what: str
    why: str


@dataclass(frozen=True)
class Run:
    """What the page says of the run as a whole; `settings` are those its results depend on.

    `settings_text` is what of them is told.
    """

    name: str
    synthetic: bool
    made_with: str
    models_made_with: str
    settings_hash: str
    settings: Results
    settings_text: str


@dataclass(frozen=True)
class Mosaic:
    """Slices of one preprocessed scan."""

    picture: Picture
    caption: str


@dataclass(frozen=True)
class CohortFlow:
    """From images found to what models read; `faults` names the steps that do not add up."""

    picture: Picture
    table: HtmlTable
    faults: Sequence[str]


@dataclass(frozen=True)
class ScanQuality:
    """Single scans: distributions, the most unusual ones, excluded ones first, and pictures."""

    histograms: Sequence[Histogram]
    outliers: HtmlTable
    mosaics: Sequence[Mosaic]


@dataclass(frozen=True)
class Page:
    """What a run has made, in the parts that a build shows.

    `frames` are result tables by name and `tables` what the reader sees and downloads of them;
    `small` says of a table what of it is left out; `subjects` are those behind each row of
    `comparison`; `scans` is None where single scans are not shown.
    """

    run: Run
    facts: Facts
    flow: CohortFlow
    demographics: pd.DataFrame
    comparison: pd.DataFrame
    subjects: "pd.Series[float]"
    frames: Mapping[str, pd.DataFrame]
    tables: Mapping[str, HtmlTable]
    small: Mapping[str, str]
    figures: Mapping[str, Picture]
    charts: Mapping[str, list[Chart]]
    quality: HtmlTable
    scans: ScanQuality | None
    resources: Resources
    plan: HtmlTable | None
    gaps: Sequence[Gap]
    weights: Sequence[Gap]


def load_picture(path: Path) -> Picture:
    """An image file as a data URI."""
    return Picture(path.name.partition(".")[0], data_uri(path.read_bytes(), MEDIA[path.suffix]))


def as_yaml(settings: dict[str, Any]) -> str:
    """Settings as the page shows them."""
    return yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)
