"""What a card says of a run: its terms, its weaknesses, its numbers."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ldae.publishing.caveats import caveats
from ldae.publishing.facts import Described, Facts, Side
from ldae.publishing.numbers import probe_lines, reconstruction_lines, scores, shown
from ldae.publishing.pages import bundle_page, model_card
from ldae.publishing.terms import terms_of
from ldae.settings import load_settings

MADE = {"ldae": "1.2.3", "commit": None}


def interval(**values: float) -> dict[str, float]:
    """Each with 0.1 on either side."""
    around = {f"{name}_low": value - 0.1 for name, value in values.items()}
    return values | around | {f"{name}_high": value + 0.1 for name, value in values.items()}


def tables(*, auc: float = 0.9, r2: float = 0.5, ssim: float = 0.95, gain: float = 0.05) -> dict:
    downstream = [
        {"encoder": encoder, "task": task, "n_test": 20, "n_subjects": 13, **interval(**found)}
        for encoder in ("ldae", "voxel-pca")
        for task, found in [
            ("ad_vs_cn", {"roc_auc": auc, "balanced_accuracy": 0.8}),
            ("age", {"mae": 4.0, "r2": r2}),
        ]
    ]
    reconstruction = [
        {"model": model, "start": start, "steps": steps, "n_scans": 27, "n_subjects": 18}
        | interval(ssim=value, ssim_brain=value, mse=0.2)
        | {"lpips": None}
        for model, start, steps, value in [
            ("ldae", "encoded", 50, ssim),
            ("ldae", "encoded", 10, 0.5),
            ("mean-brain", "mean-brain", 0, 0.91),
        ]
    ]
    code = {"encoder": "ldae", "collapsed": False, **interval(shuffled_loss_ratio=1 + gain)}
    between = [
        {"method": method, "gap_months": 24, "n_triplets": 3, "n_subjects": 3}
        | interval(ssim=value, mse=0.2)
        for method, value in (("ldae", 0.9), ("nearest", 0.8))
    ]
    return {
        "downstream": pd.DataFrame(downstream),
        "reconstruction": pd.DataFrame(reconstruction),
        "representation": pd.DataFrame([code]),
        "interpolation": pd.DataFrame(between),
    }


@pytest.fixture(scope="module")
def facts(project: Path) -> Facts:
    """Of a run of the demo's configuration that went well."""
    files = (str(project / f"config/{name}.yaml") for name in ("config", "demo"))
    form = {
        "autoencoder": {"volume_shape": [24, 32, 24], "spacing_mm": [6.5] * 3},
        "ldm": {},
        "ldae": {"network": {"embedding_dim": 64}, "made_with": MADE},
    }
    people = {"CN": 8, "MCI": 7, "AD": 7}
    return Facts(
        run="demo",
        models=Path("models"),
        settings=load_settings(Described, *files),
        sides=[
            Side("train", 25, 35, people, 0.5, (76.5, 8.4)),
            Side("validation", 2, 3, people, None, None),
            Side("test", 80, 90, people, 0.4, (73.1, 9.2)),
        ],
        tables=tables(gain=0.2),
        stored={name: content | {"training": {"steps": 1200}} for name, content in form.items()},
        parameters={"autoencoder": 192_861, "semantic encoder": 129_298},
    )


def of_source(facts: Facts, source: str) -> Facts:
    settings = facts.settings
    cohort = settings.cohort.model_copy(update={"source": source})
    return replace(facts, settings=settings.model_copy(update={"cohort": cohort}))


@pytest.mark.parametrize(
    ("source", "license", "name", "words"),
    [
        ("synthetic", "apache-2.0", None, "no data-use agreement"),
        ("adni", "other", "adni-data-use-agreement", "ask ADNI before this folder leaves"),
        ("bids", "other", "as-the-cohort-permits", "responsible for these data"),
    ],
)
def test_terms_follow_the_cohort(
    facts: Facts, source: str, license: str, name: str | None, words: str
) -> None:
    trained = of_source(facts, source)
    terms = terms_of(trained)
    assert (terms.license, terms.name) == (license, name)
    assert words in terms.words
    card = model_card(trained, terms, authors="A test")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == license
    assert header.get("license_name") == name
    assert words in card
    assert ("Every head was drawn by a program" in card) == (source == "synthetic")
    page = bundle_page(trained, terms, authors="A test", name="bundle", steps=50)
    assert words in page


def test_imported_weights_stand_under_their_own_terms(facts: Facts) -> None:
    stored = facts.stored | {"ldae": facts.stored["ldae"] | {"imported_from": {"encoder.pth": "0"}}}
    terms = terms_of(replace(facts, stored=stored))
    assert terms.license == "other"
    assert "encoder.pth" in terms.words
    assert "non-commercial" in terms.words


def test_the_licence_is_the_projects(facts: Facts, project: Path) -> None:
    assert terms_of(facts).text == (project / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("weak", "words"),
    [
        (
            {"auc": 0.55},
            r"AD from CN beyond chance \(ROC-AUC 0.55 \[0.45, 0.65\]\)",
        ),
        ({"r2": 0.05}, "not shown to tell age better than the mean age"),
        ({"ssim": 0.9}, "less like its scan"),
        ({"gain": 0.05}, "not shown to need the right code"),
    ],
)
def test_what_the_numbers_say_against_the_model_is_said(
    facts: Facts, weak: dict[str, float], words: str
) -> None:
    good, bad = (
        " ".join(caveats(replace(facts, tables=tables(**({"gain": 0.2} | each)))))
        for each in ({}, weak)
    )
    assert not pd.Series([good]).str.contains(words).any()
    assert pd.Series([bad]).str.contains(words).all()


def test_simpler_means_that_do_as_well_are_named(facts: Facts) -> None:
    made = tables(gain=0.2)
    rival, between = made["downstream"]["encoder"] == "voxel-pca", made["interpolation"]
    made["downstream"].loc[rival, ["roc_auc", "mae"]] = [0.8, 4.1]
    said = " ".join(caveats(replace(facts, tables=made)))
    assert "Something simpler" not in said
    assert "interpolated" not in said
    made["downstream"].loc[rival, ["roc_auc", "mae"]] = [0.95, 3.9]
    between.loc[between["method"] == "nearest", "ssim"] = 0.93
    said = " ".join(caveats(replace(facts, tables=made)))
    assert "tell AD from CN: principal components of voxels, ROC-AUC 0.95" in said
    assert "tell age: principal components of voxels, MAE 3.9" in said
    assert "(SSIM 0.9 [0.8, 1]) than the nearer of the two scans (SSIM 0.93" in said


def test_few_people_coarse_voxels_and_collapsed_codes_are_said(facts: Facts) -> None:
    assert "Nothing finer than a voxel" in " ".join(caveats(facts))
    assert "read the intervals" not in " ".join(caveats(facts))
    few = [replace(side, subjects=18) for side in facts.sides]
    dead = tables()
    dead["representation"]["collapsed"] = True
    said = " ".join(caveats(replace(facts, sides=few, tables=dead)))
    assert "on 18 people: read the intervals" in said
    assert "the same for every scan" in said


def test_a_run_without_tables_has_a_card_that_says_so(facts: Facts) -> None:
    bare = replace(facts, tables={})
    card = model_card(bare, terms_of(bare), authors="A test")
    assert "The run has not measured anything." in card
    assert "model-index" in yaml.safe_load(card.split("---\n")[1])


def test_numbers_stand_with_their_intervals_and_controls() -> None:
    made = tables()
    lines = reconstruction_lines(made["reconstruction"])
    assert lines[0] == "|  | DDIM steps | SSIM ↑ | SSIM in brain ↑ | MSE ↓ | scans | subjects |"
    assert lines[2].startswith("| this model, z_T from the scan | 10 | 0.5 [0.4, 0.6] |")
    assert lines[4].startswith("| control: the mean training brain | 0 | 0.91 [0.81, 1.01] |")
    assert "LPIPS" not in lines[0]  # not computed of any
    probes = probe_lines(made["downstream"], "age")
    assert probes[2].startswith("| this model's code | 4 [3.9, 4.1] | 0.5 [0.4, 0.6] | 20 | 13 |")
    found = {(score.task, score.metric): score.value for score in scores(made)}
    assert found["reconstruction", "ssim"] == 0.95  # in the most steps
    assert found["age", "mae"] == 4.0
    assert shown(pd.Series({"mae": float("nan")}), "mae") == "–"
    assert shown(pd.Series({"mae": 4.0}), "mae") == "4"
