"""The two pages that results are written to: what is in each, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ldae.report.content import Page, as_yaml
from ldae.report.html_table import from_frame
from ldae.report.sharing import (
    GROUP_TABLES,
    LEAST_SUBJECTS,
    group_demographics,
    group_rows,
    without_paths,
    without_small_groups,
)


@dataclass(frozen=True)
class Build:
    """A build's name, what it tells of itself, its sections as (id, name), and their templates.

    `terms` are what the source of the cohort has to say of passing it on.
    """

    name: str
    statement: str
    terms: Mapping[str, str]
    without_figure: str
    sections: tuple[tuple[str, str], ...]
    templates: tuple[str, ...]


_TOP = (("paper", "Beside the paper"), ("cohort", "Cohort"))
_RESULTS = (
    ("reconstruction", "Reconstruction"),
    ("representation", "Is y_sem alive?"),
    ("probes", "Probes"),
    ("edits", "Edits"),
    ("generation", "Samples"),
    ("throughput", "Speed"),
    ("training", "Training"),
    ("quality", "Quality"),
)
_SCANS = (("scans", "Single scans"),)
_REST = (
    ("resources", "Resources"),
    ("limits", "Limits"),
    ("methods", "Methods text"),
    ("checklist", "Checklists"),
    ("gaps", "Not computed"),
    ("settings", "Settings"),
    ("plan", "Plan"),
)
_FIRST = (
    "section-paper.html", "section-cohort.html", "section-results.html", "section-edits.html",
    "section-generation.html", "section-training.html", "section-quality.html",
)  # fmt: skip
_LAST = (
    "section-resources.html", "section-writing.html", "section-run.html", "section-plan.html",
)  # fmt: skip

INTERNAL = Build(
    "internal",
    "It holds images, labels and figures of single scans. Beside it, shareable.html holds none.",
    {
        "synthetic": "Here the scans are computed ones.",
        "adni": "ADNI’s data-use terms do not allow passing it on.",
        "bids": "Whether it may be passed on is for the terms of the data to say: as a rule, not.",
    },
    "This run has no figure “{}”.",
    (*_TOP, *_RESULTS, *_SCANS, *_REST),
    (*_FIRST, "section-scans.html", *_LAST),
)
SHAREABLE = Build(
    "shareable",
    "It holds group figures and tables alone: no participant’s label, no image of a person, "
    f"no result about fewer than {LEAST_SUBJECTS} subjects. The rest is in index.html, which is "
    "not for sharing.",
    {
        "synthetic": "",
        "adni": "ADNI asks to see manuscripts before they are submitted: its terms still hold.",
        "bids": "The terms of the data still hold.",
    },
    "The figure “{}” shows single persons, so this build leaves it out.",
    (*_TOP, *_RESULTS, *_REST),
    (*_FIRST, *_LAST),
)


def for_sharing(page: Page) -> Page:
    """What of a page is about groups. Every part is named, so that a new one is decided on."""
    kept = {name: group_rows(page.frames[name]) for name in page.frames if name in GROUP_TABLES}
    frames = {name: rows for name, (rows, _) in kept.items()}
    comparison = without_small_groups(page.comparison, page.subjects)
    frames["paper"] = comparison
    told = without_paths(page.run.settings.model_dump(mode="json"))
    return Page(
        run=replace(page.run, settings_text=as_yaml(told)),
        facts=page.facts,
        flow=page.flow,
        demographics=group_demographics(page.demographics),
        comparison=comparison,
        subjects=page.subjects,
        frames=frames,
        tables={name: from_frame(name, rows) for name, rows in frames.items()},
        small={name: said for name, (_, said) in kept.items() if said},
        figures={},
        charts=page.charts,
        quality=page.quality,
        scans=None,
        resources=page.resources,
        plan=page.plan,
        gaps=page.gaps,
        weights=page.weights,
    )
