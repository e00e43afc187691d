"""Interpolation, manipulation and variation, on the run in miniature."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import (
    Bootstrap,
    Interpolation,
    Manipulation,
    Metrics,
    Probe,
    Sampling,
    Variation,
)
from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.data.embeddings import write_embeddings
from ldae.data.inversions import read_inversions
from ldae.errors import UserError
from ldae.metrics.audits import COLUMNS, CONTROLS
from ldae.metrics.image import ImageScorer
from ldae.models.ldae import load_ldae
from ldae.models.stored import inverted_by
from ldae.stages import evaluate_interpolation as interpolation
from ldae.stages import evaluate_manipulation as manipulation
from ldae.stages import evaluate_variation as variation
from ldae.tables import INTERPOLATED, MANIPULATED, SCANS, VARIED, read_table, write_table

from .test_invert_scans import invert

CPU = torch.device("cpu")
STEPS = 2
SHARED = {
    "seed": 1,
    "sampling": Sampling(clip=None),
    "metrics": Metrics(ssim_window=3),
    "bootstrap": Bootstrap(replicates=50, confidence=0.95),
}
PROBE = Probe(inverse_regularisation=(1.0,), ridge_penalty=(1.0,), folds=2)
STRENGTHS = [-1.0, 0.0, 0.5, 1.0]


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """The model of the run, its codes and its inversions."""
    folder = tmp_path_factory.mktemp("made")
    model = load_ldae(run.models, device=CPU)
    codes = model.encode(load_batch(run.rows, run.derivatives, CPU).x).numpy()
    write_embeddings(run.rows, codes, folder / "ldae.parquet")
    index = invert(run, folder, steps=STEPS)
    return SimpleNamespace(model=model, embeddings=folder / "ldae.parquet", inversions=index)


def shared(run, made, folder):
    return {
        "scans": run.scans,
        "derivatives": run.derivatives,
        "models": run.models,
        "embeddings": made.embeddings,
        "table": folder / "table.csv",
        "figure": folder / "figure.png",
        "devices": 0,
        "threads": 1,
        "batch_size": 3,
    }


def interpolate(run, made, folder, *, most=None, **changed):
    chosen = Interpolation(steps=STEPS, fractions=(0.0, 0.5, 1.0), gaps=(12, 24), max_triplets=most)
    interpolation.evaluate_interpolation(
        **shared(run, made, folder) | changed,
        inversions=made.inversions,
        per_triplet=folder / "per.parquet",
        settings=interpolation.Settings(**SHARED, interpolation=chosen),
    )
    return pd.read_csv(folder / "table.csv"), read_table(folder / "per.parquet", INTERPOLATED)


def manipulate(run, made, folder, *, most=None, **changed):
    chosen = Manipulation(steps=STEPS, strengths=(1.0, -1.0, 0.5), max_subjects=most, probe=PROBE)
    manipulation.evaluate_manipulation(
        **shared(run, made, folder) | changed,
        inversions=made.inversions,
        per_scan=folder / "per.parquet",
        audits=folder / "audits.csv",
        settings=manipulation.Settings(**SHARED, manipulation=chosen),
    )
    return pd.read_csv(folder / "table.csv"), read_table(folder / "per.parquet", MANIPULATED)


def vary(run, made, folder, *, most=None, **changed):
    chosen = Variation(steps=STEPS, samples=3, max_subjects=most, probe=PROBE)
    variation.evaluate_variation(
        **shared(run, made, folder) | changed,
        per_sample=folder / "per.parquet",
        settings=variation.Settings(**SHARED, variation=chosen),
    )
    return pd.read_csv(folder / "table.csv"), read_table(folder / "per.parquet", VARIED)


@pytest.fixture(scope="module")
def interpolated(run, made, tmp_path_factory):
    return interpolate(run, made, tmp_path_factory.mktemp("interpolation"))


@pytest.fixture(scope="module")
def manipulated(run, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manipulation")
    return *manipulate(run, made, folder), pd.read_csv(folder / "audits.csv")


@pytest.fixture(scope="module")
def varied(run, made, tmp_path_factory):
    return vary(run, made, tmp_path_factory.mktemp("variation"))


def within(table, names):
    for name in names:
        value, low, high = (table[f"{name}{end}"].dropna() for end in ("", "_low", "_high"))
        assert (low <= value + 1e-9).all()
        assert (value <= high + 1e-9).all()


def test_every_triplet_is_answered_by_every_method(run, interpolated):
    table, per = interpolated
    assert list(table.columns) == interpolation.COLUMNS
    assert table["method"].tolist() == [
        *("ldae", "nearest", "voxel-average", "latent-average", "autoencoder")
    ]
    assert not table.duplicated(["method", "gap_months"]).any()
    assert (table["gap_months"] == 24).all()
    test = take_split(run.rows, "test")
    thrice = test["participant_id"].value_counts().eq(3).sum()
    assert (table["n_triplets"] == thrice).all()
    assert len(per) == 5 * thrice
    within(table, [*interpolation.SCORES, *interpolation.BESIDE])
    for method, group in per.groupby("method"):
        row = table.set_index("method").loc[method]
        assert row["ssim"] == pytest.approx(group["ssim"].mean(), rel=1e-4)
        nearest = per[per["method"] == "nearest"]["mse"].sum()
        assert row["mse_ratio"] == pytest.approx(group["mse"].sum() / nearest, rel=1e-4)


def test_trivial_answers_are_what_they_say(run, made, interpolated):
    _, per = interpolated
    first = per[per["method"] == "nearest"].iloc[0]
    sessions = run.rows.set_index(["participant_id", "session_id"], drop=False)
    names = [f"{place}_session" for place in ("start", "middle", "end")]
    batch = load_batch(
        sessions.loc[[(first["participant_id"], first[name]) for name in names]],
        run.derivatives,
        CPU,
    )
    start, middle, end = batch.x.split(1)
    z_0 = made.model.to_latent(batch.x)
    score = partial(ImageScorer(3, perceptual=None).score, target=middle, brain=batch.brain[1:2])
    answers = {
        "nearest": start,
        "voxel-average": (start + end) / 2,
        "latent-average": made.model.to_volume((z_0[:1] + z_0[2:]) / 2),
        "autoencoder": made.model.to_volume(z_0[1:2]),
    }
    of_first = per[per["participant_id"] == first["participant_id"]].set_index("method")
    for method, answer in answers.items():
        found = score(answer)
        for name in ("ssim", "mse", "mse_brain"):
            assert of_first.loc[method, name] == pytest.approx(float(found[name]), rel=1e-3)
    assert of_first.loc["autoencoder", "ssim_decoded"] == pytest.approx(1)


def test_ends_of_a_path_are_the_encoded_reconstructions(run, made):
    test = take_split(run.rows, "test").iloc[:4]
    made_by = inverted_by(run.models, "ldae", clip=None)
    z_T = read_inversions(made.inversions, test, made_by=made_by)
    y = made.model.encode(load_batch(test, run.derivatives, CPU).x)
    pairs = [torch.stack([each[:2], each[2:]]) for each in (z_T, y)]
    for end, fraction in ((0, 0.0), (1, 1.0)):
        found = interpolation.interpolate(
            made.model, *pairs, torch.full((2,), fraction), steps=STEPS
        )
        expected = made.model.sample(pairs[0][end], pairs[1][end], steps=STEPS)
        assert torch.equal(found, expected)


def test_few_triplets_may_be_asked_for(run, made, tmp_path):
    table, per = interpolate(run, made, tmp_path, most=1)
    assert (table["n_triplets"] == 1).all()
    assert per["participant_id"].nunique() == 1


def test_two_sessions_leave_nothing_to_score(run, made, tmp_path):
    write_table(run.rows[run.rows["months"] < 24], tmp_path / "scans.parquet", SCANS)
    table, per = interpolate(run, made, tmp_path, scans=tmp_path / "scans.parquet")
    assert table.empty
    assert per.empty
    assert list(table.columns) == interpolation.COLUMNS
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_every_direction_is_followed_both_ways(run, manipulated):
    table, per, audits = manipulated
    subjects = take_split(run.rows, "test")["participant_id"].nunique()
    directions = {"ad_vs_cn", "age", "random", "permuted"}
    assert set(table["direction"]) == directions
    assert table.groupby("direction")["strength"].agg(list).tolist() == [STRENGTHS] * 4
    assert not table.duplicated(["direction", "strength"]).any()
    assert (table["n_subjects"] == subjects).all()
    assert len(per) == subjects * 4 * len(STRENGTHS)
    assert not audits.duplicated(["direction", "measure"]).any()
    assert set(audits["direction"]) == directions
    within(table, manipulation.MEASURES)
    mean = per[(per["direction"] == "age") & (per["strength"] == 0.5)]["ventricle_ml"].mean()
    cell = table.set_index(["direction", "strength"]).loc[("age", 0.5), "ventricle_ml"]
    assert cell == pytest.approx(mean, rel=1e-4)


def test_codes_move_along_the_probes_and_not_along_the_control(manipulated):
    _, per, _ = manipulated
    along = per.pivot(index=["direction", "participant_id"], columns="strength")
    rises = (np.diff(along["probability_of_code"].loc["ad_vs_cn"], axis=1) > 0).all()
    older = (np.diff(along["age_of_code"].loc["age"], axis=1) > 0).all()
    assert rises
    assert older
    for control in CONTROLS:
        still = along["probability_of_code"].loc[control]
        np.testing.assert_allclose(still.sub(still[0.0], axis=0), 0, atol=1e-6)


def test_nothing_has_changed_at_strength_zero(manipulated):
    _, per, _ = manipulated
    unmoved = per[per["strength"] == 0]
    assert (unmoved["changed_share"] == 0).all()
    assert (unmoved["mse_outside"] == 0).all()
    assert unmoved["change_focus"].isna().all()
    once = unmoved.groupby("participant_id")[["probability", "ventricle_ml"]].nunique()
    assert (once == 1).all(axis=None)


def test_subjects_are_few_on_request_and_of_either_diagnosis(run, made, tmp_path):
    table, per = manipulate(run, made, tmp_path, most=2)
    assert (table["n_subjects"] == 2).all()
    assert set(per["diagnosis"]) == {"CN", "AD"}


def test_scans_without_the_two_diagnoses_are_moved_all_the_same(run, made, tmp_path):
    all_mci = run.rows["diagnosis"].mask(run.rows["split"] == "test", "MCI")
    write_table(run.rows.assign(diagnosis=all_mci), tmp_path / "scans.parquet", SCANS)
    table, _ = manipulate(run, made, tmp_path, scans=tmp_path / "scans.parquet", most=2)
    assert (table["n_subjects"] == 2).all()


@pytest.mark.parametrize("evaluate", [manipulate, vary])
@pytest.mark.parametrize("diagnosis", ["CN", "MCI", None])
def test_a_cohort_that_teaches_no_probe_leaves_empty_tables(
    run, made, tmp_path, evaluate, diagnosis
):
    write_table(run.rows.assign(diagnosis=diagnosis), tmp_path / "scans.parquet", SCANS)
    table, per = evaluate(run, made, tmp_path, scans=tmp_path / "scans.parquet")
    assert table.empty
    assert per.empty
    if evaluate is vary:
        assert list(table.columns) == variation.COLUMNS
    else:
        assert list(pd.read_csv(tmp_path / "audits.csv").columns) == COLUMNS
        assert {"direction", "strength", "age_low", "n_subjects"} <= set(table.columns)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_variations_are_drawn_of_subjects_of_either_diagnosis(run, made, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(variation, "draw_rows", lambda _, *, rows, **__: drawn.extend(rows))
    vary(run, made, tmp_path)
    labels = [row.label.partition("\n")[0] for row in drawn if row.kind == "intensity"]
    assert len(labels) == 2 * variation.SUBJECTS_DRAWN
    assert set(labels) == {"CN", "AD"}
    assert len({row.limit for row in drawn if row.kind == "spread"}) == 1


def test_samples_are_compared_by_code_and_by_noise(run, varied):
    table, per = varied
    assert list(table.columns) == variation.COLUMNS
    assert table["varied"].tolist() == ["z_T", "y_sem", "scans"]
    subjects = take_split(run.rows, "test")["participant_id"].nunique()
    assert table["n_samples"].tolist() == [3 * subjects, 3 * subjects, subjects]
    assert len(per) == 4 * subjects
    assert per.loc[per["sample"] == 0, "ssim_same_code"].isna().all()
    within(table, variation.MEASURES)
    rows = table.set_index("varied")
    np.testing.assert_allclose(rows.loc["scans", ["probability_ratio", "age_ratio"]], 1)
    scans = per[per["sample"] == 0]
    assert rows.loc["scans", "age_sd"] == pytest.approx(scans["age"].std(), rel=1e-4)
    within_code = per[per["sample"] > 0].groupby("participant_id")["age"].var().mean()
    assert rows.loc["z_T", "age_sd"] == pytest.approx(within_code**0.5, rel=1e-4)
    assert rows.loc["z_T", "sd_brain"] > 0


def test_samples_of_a_code_are_the_models(run, made, varied):
    _, per = varied
    test = take_split(run.rows, "test")
    first = test.drop_duplicates("participant_id").iloc[:1]
    batch = load_batch(first, run.derivatives, CPU)
    noise = torch.stack(
        [
            torch.randn(made.model.latent_shape, generator=variation.seeded_generator(*seeds))
            for seeds in ((1, "variation", 0), (1, "variation", 1))
        ]
    )
    code = made.model.encode(batch.x).expand(2, -1)
    volumes = made.model.to_volume(made.model.sample(noise, code, steps=STEPS)).clamp(0, 1)
    mse = (volumes[0] - volumes[1]).square()[batch.brain[0]].mean()
    stored = per[(per["participant_id"] == first["participant_id"].iloc[0]) & (per["sample"] == 1)]
    assert float(stored["mse_same_code"].iloc[0]) == pytest.approx(float(mse), rel=1e-3)


def test_the_same_run_gives_the_same_bytes(run, made, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        vary(run, made, folder, most=2)
    for name in ("figure.png", "table.csv", "per.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_one_subject_cannot_be_compared(run, made, tmp_path):
    alone = run.rows["participant_id"] == "sub-12"
    write_table(run.rows[alone | (run.rows["split"] != "test")], tmp_path / "s.parquet", SCANS)
    with pytest.raises(UserError, match="there is one"):
        vary(run, made, tmp_path, scans=tmp_path / "s.parquet")


@pytest.mark.parametrize("evaluate", [interpolate, manipulate, vary])
def test_no_training_scan_is_opened(run, made, tmp_path, evaluate, monkeypatch):
    opened = []
    for stage in (interpolation, manipulation, variation):

        def load(rows, *others):
            opened.extend(rows["split"])
            return load_batch(rows, *others)

        monkeypatch.setattr(stage, "load_batch", load)
    evaluate(run, made, tmp_path, most=2)
    assert set(opened) == {"test"}
