"""The results page: one HTML file that opens from disk and asks nothing of a network."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.report.beside import headline, missing, papers_tables, tiles
from ldae.report.builds import Build
from ldae.report.checklist import counts, fill_checklist
from ldae.report.content import Page, Picture
from ldae.report.curves import HEIGHT, LEFT, WIDTH
from ldae.report.dots import dot_charts
from ldae.report.headline import known_differences
from ldae.report.html_table import HtmlTable, data_uri, from_frame, split
from ldae.report.limits import auc_words, limits
from ldae.report.methods import write_methods
from ldae.report.notes import interval_words, notes
from ldae.report.quality import HEIGHT as HISTOGRAM_HEIGHT
from ldae.report.quality import WIDTH as HISTOGRAM_WIDTH
from ldae.report.representation import vitality
from ldae.report.sharing import GROUP_TABLES
from ldae.report.strengths import draw_strengths

FIGURES = {"reconstruction", "interpolation", "manipulation", "variation", "generation"}


def render(page: Page, build: Build) -> str:
    """One build of the page as HTML; everything that comes from data is escaped."""
    settings, frames = page.run.settings, page.frames
    vital = vitality(frames["representation"]) if "representation" in frames else []
    checklist = fill_checklist(settings, page.facts, auc_words(frames))
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            run=page.run,
            build=build,
            headline=headline(page.comparison, page.subjects),
            tiles=tiles(page.comparison),
            beside=papers_tables(page.comparison),
            causes=missing(page.comparison),
            differences=known_differences(page.comparison),
            demographics=from_frame("demographics", page.demographics),
            probes=split("downstream", frames["downstream"], "task")
            if "downstream" in frames
            else [],
            others=_unplaced(page),
            vitality=vital,
            dots=dot_charts(frames),
            strengths=draw_strengths(frames["manipulation"]) if "manipulation" in frames else [],
            notes=notes(frames, settings),
            intervals=interval_words(settings),
            limits=limits(settings, frames, vital, test_subjects=page.facts.test_subjects),
            methods=write_methods(settings, page.facts),
            checklist=from_frame("checklist", checklist),
            checklist_counts=counts(checklist),
            chart_size={"width": WIDTH, "height": HEIGHT, "left": LEFT},
            histogram_size={"width": HISTOGRAM_WIDTH, "height": HISTOGRAM_HEIGHT},
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
        )
    )


@cache
def _environment() -> Environment:
    """Shared by the builds, so that templates are compiled once."""
    environment = Environment(
        loader=PackageLoader("ldae", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _text_uri
    return environment


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _text_uri(text: str, media: str) -> str:
    return data_uri(text.encode(), f"{media};charset=utf-8")


def _unplaced(page: Page) -> dict[str, Sequence[HtmlTable] | Sequence[Picture]]:
    """Tables and figures that no section of the template asks for by name."""
    return {
        "tables": [view for name, view in page.tables.items() if name not in GROUP_TABLES],
        "figures": [view for name, view in page.figures.items() if name not in FIGURES],
    }
