"""Reporting guidelines, as far as a run can answer them: CLAIM 2024 and TRIPOD+AI.

Tejani et al. 2024, doi:10.1148/ryai.240300; Collins et al. 2024, doi:10.1136/bmj-2023-078378. What
an item asks is told in our own words.
"""

from functools import cache
from importlib.resources import files

import pandas as pd
import yaml
from jinja2 import Environment, StrictUndefined, Template

from ldae.config import Results
from ldae.report.labels import MODELS
from ldae.report.methods import Facts
from ldae.report.notes import interval_words

STATES = {
    "answered": "answered",
    "partly": "partly answered",
    "authors": "not answerable by the run",
    "not applicable": "not applicable",
}
SOURCES = {
    "synthetic": "Computed heads with simulated diagnoses; they represent nobody.",
    "adni": "Alzheimer’s Disease Neuroimaging Initiative: volunteers, not a population.",
    "bids": "A data set of the user’s own.",
}


def fill_checklist(settings: Results, facts: Facts, auc: str) -> pd.DataFrame:
    """One row per item: guideline, item, asks, state and answer.

    Args:
        settings: of the run.
        facts: counts and versions.
        auc: a sentence on how well AD is told from CN.
    """
    told = {
        "s": settings,
        "facts": facts,
        "auc": auc,
        "synthetic": settings.cohort.source == "synthetic",
        "source": SOURCES[settings.cohort.source],
        "start": _start(settings),
        "intervals": interval_words(settings),
        "percent": lambda part: f"{100 * part:g} %",
    }
    rows = [
        (guideline, item, asks, STATES[state], answer.render(**told))
        for guideline, item, asks, state, answer in _items()
    ]
    return pd.DataFrame(rows, columns=["guideline", "item", "asks", "state", "answer"])


def counts(checklist: pd.DataFrame) -> list[tuple[str, str]]:
    """For each guideline, how many of its items are in which state, in words."""
    told = []
    for guideline, rows in checklist.groupby("guideline", sort=False):
        found = rows["state"].value_counts()
        parts = [f"{found[state]} {state}" for state in STATES.values() if state in found]
        told.append((f"{guideline}, {len(rows)} items", ", ".join(parts)))
    return told


@cache
def _items() -> list[tuple[str, str, str, str, Template]]:
    """Guideline, item, what it asks, state and answer of each item."""
    environment = Environment(autoescape=False, undefined=StrictUndefined)
    text = files("ldae.report").joinpath("checklist.yaml").read_text(encoding="utf-8")
    return [
        (guideline, item, asks, state, environment.from_string(answer))
        for guideline, items in yaml.safe_load(text).items()
        for item, asks, state, answer in items
    ]


def _start(settings: Results) -> str:
    encoder = settings.ldae.semantic_encoder
    imagenet = encoder.kind == "slices" and encoder.initialise == "imagenet"
    start = "from weights trained on ImageNet" if imagenet else "from random weights"
    return (
        f"Semantic encoder {start}; all else random, by seed {settings.seed}; the gradient "
        f"estimator of the {MODELS['ldae']} starts at exactly 0."
    )
