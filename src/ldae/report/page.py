"""The results page: one HTML file that opens from disk and asks nothing of a network."""

import base64
import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.config import Section
from ldae.report.curves import HEIGHT, LEFT, WIDTH, Chart
from ldae.report.headline import computed, headline_rows, interval, known_differences
from ldae.report.html_table import EMPTY, HtmlTable, data_uri
from ldae.report.labels import metric_label, row_label
from ldae.report.quality import HEIGHT as HISTOGRAM_HEIGHT
from ldae.report.quality import WIDTH as HISTOGRAM_WIDTH
from ldae.report.quality import Histogram
from ldae.report.representation import Vitality
from ldae.report.timing import clock

PLACED = {
    "paper", "reconstruction", "representation", "downstream",
    "interpolation", "manipulation", "variation",
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
    version: str
    made_with: str
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
class Compared:
    """One of the paper's numbers beside this run's."""

    metric: str
    paper: str
    this_run: str
    verdict: str


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
    gaps: Sequence[Gap]


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
        headline=_headline(page.comparison),
        tiles=_tiles(page.comparison),
        causes=_causes(page.comparison),
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


def _headline(comparison: pd.DataFrame) -> dict[str, list[Compared]]:
    """By row of the paper, its numbers beside this run's, where this run has any."""
    rows = headline_rows(comparison)
    groups: dict[str, list[Compared]] = {}
    for row in rows[computed(rows)].to_dict("records"):
        groups.setdefault(row_label(row["table"], row["row"]), []).append(_compared(row))
    return groups


def _tiles(comparison: pd.DataFrame) -> list[tuple[str, Compared]]:
    """The three numbers of the paper's abstract that this run has."""
    rows = headline_rows(comparison)
    rows = rows[rows["this_run"].notna()]
    chosen = rows[
        (rows["row"].str.startswith("ldae/encoded") & (rows["metric"] == "ssim"))
        | (rows["row"].str.startswith("ldae/") & rows["metric"].isin(["roc_auc", "mae"]))
    ]
    return [
        (row_label(row["table"], row["row"]), _compared(row)) for row in chosen.to_dict("records")
    ]


def _compared(row: dict[Hashable, Any]) -> Compared:
    absent = pd.isna(row["this_run"])
    run = EMPTY if absent else interval(row["this_run"], row["low"], row["high"])
    return Compared(metric_label(row["metric"]), row["paper"], run, row["verdict"])


def _causes(comparison: pd.DataFrame) -> list[tuple[str, int]]:
    """Why numbers of the paper have none of this run beside them, with how many."""
    missing = comparison.loc[comparison["verdict"] == "not computed", "cause"]
    return [(str(cause), len(rows)) for cause, rows in missing.groupby(missing, sort=False)]


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
