"""The results page: one HTML file that opens from disk and asks nothing of a network."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.config import Section
from ldae.report.beside import headline, missing, papers_tables, tiles
from ldae.report.curves import HEIGHT, LEFT, WIDTH, Chart
from ldae.report.headline import known_differences
from ldae.report.html_table import EMPTY, HtmlTable, data_uri
from ldae.report.quality import HEIGHT as HISTOGRAM_HEIGHT
from ldae.report.quality import WIDTH as HISTOGRAM_WIDTH
from ldae.report.quality import Histogram
from ldae.report.representation import Vitality
from ldae.report.timing import clock

PLACED = {
    "paper", "reconstruction", "models", "representation", "representation_by_time",
    "downstream", "downstream_by_group", "downstream_compared",
    "interpolation", "manipulation", "manipulation_audits", "variation",
    "generation", "throughput",
}  # fmt: skip
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
    """What the page says of the run as a whole; `settings` are those its results depend on."""

    name: str
    synthetic: bool
    made_with: str
    models_made_with: str
    settings_hash: str
    settings: Section


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
class CohortQuality:
    """Figures of all preprocessed scans; `outliers` are the most unusual, excluded ones first."""

    histograms: Sequence[Histogram]
    outliers: HtmlTable
    mosaics: Sequence[Mosaic]


@dataclass(frozen=True)
class Scanned:
    """How many subjects and scans the models read."""

    subjects: int
    scans: int
    test_subjects: int


@dataclass(frozen=True)
class Page:
    """Everything the template shows."""

    run: Run
    scanned: Scanned
    flow: CohortFlow
    demographics: HtmlTable
    comparison: pd.DataFrame
    tables: dict[str, HtmlTable]
    probes: Sequence[HtmlTable]
    figures: dict[str, Picture]
    vitality: Sequence[Vitality]
    charts: dict[str, list[Chart]]
    quality: CohortQuality
    timing: pd.DataFrame
    plan: HtmlTable | None
    gaps: Sequence[Gap]
    weights: Sequence[Gap]


def render(page: Page) -> str:
    """The page as HTML; everything that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("ldae", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        page=page,
        run=page.run,
        headline=headline(page.comparison),
        tiles=tiles(page.comparison),
        beside=papers_tables(page.comparison),
        causes=missing(page.comparison),
        differences=known_differences(page.comparison),
        others=_unplaced(page),
        settings_yaml=_yaml(page.run.settings),
        stages=_stages(page.timing),
        total_time=clock(float(page.timing["seconds"].sum())) if len(page.timing) else "",
        chart_size={"width": WIDTH, "height": HEIGHT, "left": LEFT},
        histogram_size={"width": HISTOGRAM_WIDTH, "height": HISTOGRAM_HEIGHT},
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def load_picture(path: Path) -> Picture:
    """An image file as a data URI."""
    return Picture(path.name.partition(".")[0], data_uri(path.read_bytes(), MEDIA[path.suffix]))


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _unplaced(page: Page) -> dict[str, list[HtmlTable] | list[Picture]]:
    """Tables and figures that no section of the template asks for by name."""
    return {
        "tables": [view for name, view in page.tables.items() if name not in PLACED],
        "figures": [view for name, view in page.figures.items() if name not in PLACED],
    }


def _yaml(settings: Section) -> str:
    return yaml.safe_dump(
        settings.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100
    )


@dataclass(frozen=True)
class _Stage:
    name: str
    jobs: int
    time: str
    cpu: str
    memory: str
    share: int  # of the longest stage, in percent


def _stages(timing: pd.DataFrame) -> list[_Stage]:
    longest = max(timing["seconds"].max(), 1e-9) if len(timing) else 1
    return [
        _Stage(
            row["stage"].replace("_", " "),
            row["jobs"],
            clock(row["seconds"]),
            EMPTY if pd.isna(row["cpu_seconds"]) else clock(row["cpu_seconds"]),
            EMPTY if pd.isna(row["peak_memory_mb"]) else f"{row['peak_memory_mb']:,.0f} MB",
            round(100 * row["seconds"] / longest),
        )
        for row in timing.to_dict("records")
    ]
