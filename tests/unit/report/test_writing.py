"""Methods, guidelines, limits and notes: what is said follows from settings and numbers."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ldae.config import Results
from ldae.report.checklist import STATES, fill_checklist
from ldae.report.definitions import DEFINITIONS, definitions
from ldae.report.dots import dot_charts
from ldae.report.limits import auc_words, limits
from ldae.report.methods import Facts, Methods, reference, write_methods
from ldae.report.notes import notes, sizes
from ldae.report.representation import Vitality
from ldae.report.sharing import GROUP_TABLES
from ldae.report.strengths import draw_strengths

FACTS = Facts(54, 18, 75, 3, "25 subjects with 35 scans in train", 8, True, False, "ldae 0.1",
              "2.15", "1.6", "abc", "one GPU")  # fmt: skip


@pytest.fixture
def settings(project: Path) -> Results:
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    return Results.model_validate({name: config[name] for name in Results.model_fields})


def changed(settings: Results, **parts: dict[str, Any]) -> Results:
    told = settings.model_dump()
    return Results.model_validate(told | {name: told[name] | new for name, new in parts.items()})


def text_of(methods: Methods) -> str:
    return " ".join(part for _, paragraphs in methods.sections for part in paragraphs)


def test_the_methods_text_follows_the_settings(settings):
    text = text_of(write_methods(settings, FACTS))
    for said in (
        *("Alzheimer’s Disease Neuroimaging Initiative", "128×160×128 voxels of 1.5 mm"),
        *("100 epochs", "started from ImageNet", "LPIPS", "54 subjects with 75 scans"),
        *("3 scans were lost", "2,000 bootstrap replicates", "Speeds were measured on one GPU"),
    ):
        assert said in text
    computed = changed(settings, cohort={"source": "synthetic"}, sampling={"clip": 1.0})
    text = text_of(write_methods(computed, FACTS))
    assert "The cohort is synthetic" in text
    assert "Neuroimaging Initiative" not in text
    assert "clamped to ±1" in text


def test_every_citation_has_its_reference_in_order(settings):
    methods = write_methods(settings, FACTS)
    brackets = [each for each in re.findall(r"\[([\d, ]+)\]", text_of(methods)) if each != "0, 1"]
    cited = [int(number) for each in brackets for number in each.split(", ")]
    assert list(dict.fromkeys(cited)) == list(range(1, len(methods.references) + 1))
    assert methods.bibtex.count("\n@") + 1 == len(methods.references)
    assert f"{len(methods.references)}. " in methods.markdown
    assert all(re.search(r"\(\d{4}\)\.", each) for each in methods.references)


def test_a_reference_is_one_line():
    entry = {"author": "Ho, Jonathan and de Wit, Jan and others", "title": "T", "journal": "J",
             "volume": 3, "number": 1, "pages": "1–2", "year": 2020, "doi": "10.1/x"}  # fmt: skip
    assert reference(entry) == "Ho J, de Wit J et al. T. J 3(1): 1–2 (2020). doi:10.1/x"


def test_every_item_has_a_state_and_says_no_more_than_it_knows(settings):
    rows = fill_checklist(settings, FACTS, "ROC-AUC 0.9.")
    assert rows.groupby("guideline").size().to_dict() == {"CLAIM 2024": 44, "TRIPOD+AI": 52}
    assert set(rows["state"]) == set(STATES.values())
    assert not rows[["guideline", "item"]].duplicated().any()
    answered = rows[rows["state"].isin(["answered", "partly answered"])]
    assert (answered["answer"].str.len() > 4).all()
    by_item = rows.set_index(["guideline", "item"])
    assert by_item.loc[("CLAIM 2024", "44"), "state"] == "not answerable by the run"
    assert "ROC-AUC 0.9." in by_item.loc[("TRIPOD+AI", "23a"), "answer"]
    assert "18 held-out" in by_item.loc[("CLAIM 2024", "32"), "answer"]
    assert not rows["answer"].str.contains("{", regex=False).any()


def test_limits_are_read_off_the_numbers(settings):
    frames = {
        "downstream": pd.DataFrame(
            {"encoder": "ldae", "task": ["ad_vs_cn", "age"], "roc_auc": [0.6, None],
             "roc_auc_low": [0.4, None], "roc_auc_high": [0.8, None], "r2": [None, 0.5],
             "r2_low": [None, 0.2], "r2_high": [None, 0.7]}
        ),
        "reconstruction": pd.DataFrame(
            {"model": ["mean-brain", "ldae"], "start": ["mean-brain", "encoded"],
             "steps": [0, 50], "ssim": [0.91, 0.6]}
        ),
    }  # fmt: skip
    said = limits(settings, frames, [Vitality("ldae", False, "unused.")], test_subjects=200)
    for part in ("ldae: unused.", "beyond chance: ROC-AUC 0.600 [0.400, 0.800]",
                 "The mean training brain (SSIM 0.910)", "seed 42"):  # fmt: skip
        assert any(part in each for each in said), part
    assert not any("mean age" in each or "test subjects:" in each for each in said)
    assert auc_words(frames) == "ROC-AUC of AD against CN from y_sem: 0.600 [0.400, 0.800]."
    assert "not probed" in auc_words({})


def test_every_group_table_has_a_note_with_its_sizes_and_columns(settings):
    frame = pd.DataFrame({"ssim": [0.9, 0.8], "n_subjects": [3, 12], "n_scans": [27, 27]})
    told = notes(dict.fromkeys(GROUP_TABLES, frame), settings)
    assert set(told) >= GROUP_TABLES | {"headline", "demographics", "figure-variation"}
    assert told["reconstruction"].n == "27 scans, 3 to 12 subjects"
    assert told["models"].columns == (("SSIM ↑", DEFINITIONS["ssim"]),)
    for note in told.values():
        assert all((note.computed, note.n, note.interval, note.seed))
    assert sizes(pd.DataFrame({"a": [1]})) == ""
    assert definitions(["a"]) == []


def test_dots_lie_on_their_axis():
    frame = pd.DataFrame(
        {"encoder": ["ldae", "demographics", "dae"], "task": "ad_vs_cn",
         "roc_auc": [0.8, 0.6, None], "roc_auc_low": [0.7, 0.4, None],
         "roc_auc_high": [0.9, 0.7, None]}
    )  # fmt: skip
    (chart,) = dot_charts({"downstream": frame}).values()
    ours, ages = chart.dots
    assert (ours.label, ours.text) == ("LDAE", "0.800 [0.700, 0.900]")
    assert 0 <= ages.low <= ages.place < ours.place <= ours.low + ours.width <= 100
    assert (ours.plain, ages.plain) == (False, True)
    assert ages.low < chart.line[0] < ages.place


def test_a_line_per_direction_by_strength():
    frame = pd.DataFrame(
        {"direction": ["ad_vs_cn"] * 2 + ["random"] * 2, "strength": [-1, 1, -1, 1],
         "age": [70.0, 72.0, 71.0, 71.0], "probability": [None] * 4}
    )  # fmt: skip
    (chart,) = draw_strengths(frame)
    assert [(line.name, line.last) for line in chart.lines] == [
        ("ad_vs_cn", "72.00"),
        ("random", "71.00"),
    ]
    assert chart.last == "at 1"
