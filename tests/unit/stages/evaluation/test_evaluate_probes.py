import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from ldae.config import Bootstrap, Downstream, Probe
from ldae.data.embeddings import write_embeddings
from ldae.errors import UserError
from ldae.metrics import paper_probe
from ldae.metrics.probe import LinearProbe
from ldae.metrics.scoring import CALIBRATION, METRICS
from ldae.metrics.tasks import TASKS
from ldae.stages.evaluate_probes import (
    COLUMNS,
    COMPARED_COLUMNS,
    GROUP_COLUMNS,
    SCORES,
    Settings,
    evaluate_probes,
)
from ldae.tables import KEYS, SCANS, SUPERVISED_PREDICTIONS, write_table

from .conftest import scan_row

SETTINGS = Settings(
    seed=1,
    probe=Probe(inverse_regularisation=(0.01, 0.1), ridge_penalty=(1.0, 100.0), folds=3),
    downstream=Downstream(seeds=2),
    bootstrap=Bootstrap(replicates=200, confidence=0.95),
)

KEY_OF_PAIRS = ["task", "encoder", "reference"]
TABLES = ["downstream.csv", "downstream_by_group.csv", "downstream_compared.csv"]


def make_cohort(folder):
    """240 subjects; the codes know the disease and the age, with noise."""
    generator = np.random.default_rng(0)
    rows = []
    for subject in range(240):
        split = ("train", "train", "train", "validation", "test")[subject // 3 % 5]
        diagnosis = ("CN", "MCI", "AD")[subject % 3]
        rows += [scan_row(subject, months, diagnosis, split) for months in (0, 12)]
    frame = pd.DataFrame(rows).reindex(columns=SCANS.names)
    frame["age"] = generator.normal(72, 7, len(frame))
    frame["field_strength"] = np.resize([1.494, 2.89, 3.0], len(frame))
    write_table(frame, folder / "scans.parquet", SCANS)
    codes = generator.normal(size=(len(frame), 5)).astype(np.float32)
    codes[:, 0] += frame["diagnosis"].map({"CN": 0, "MCI": 1, "AD": 2.5})
    codes[:, 1] += frame["age"] / 5
    write_embeddings(frame, codes, folder / "ldae.parquet")
    return frame, codes, folder


@pytest.fixture
def _few_epochs(monkeypatch):
    """Of the paper's probes, where it does not matter how well they learn."""
    monkeypatch.setattr(paper_probe, "DIAGNOSIS_EPOCHS", 20)
    monkeypatch.setattr(paper_probe, "AGE_EPOCHS", 50)


@pytest.fixture
def cohort(tmp_path):
    return make_cohort(tmp_path)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """All three tables for two encoders, demographics and supervised networks."""
    frame, codes, folder = make_cohort(tmp_path_factory.mktemp("probes"))
    noise = np.random.default_rng(1).normal(size=codes.shape).astype(np.float32)
    write_embeddings(frame, noise, folder / "ldae-noise.parquet")
    supervised = [folder / f"supervised-{task}.parquet" for task in ("diagnosis", "age")]
    chance = np.clip(codes[:, 0] / 2.5, 0.01, 0.99).astype(float)
    for path, told in zip(supervised, (chance, frame["age"] + 1.0), strict=True):
        write_table(frame[KEYS].assign(prediction=told), path, SUPERVISED_PREDICTIONS)
    evaluate(folder, supervised)
    return frame, folder, {name: pd.read_csv(folder / name) for name in TABLES}


def evaluate(folder, supervised=(), settings=SETTINGS, threads=1):
    evaluate_probes(
        scans=folder / "scans.parquet",
        embeddings=sorted(folder.glob("ldae*.parquet"), key=lambda path: path.stem),
        supervised=list(supervised),
        table=folder / "downstream.csv",
        by_group=folder / "downstream_by_group.csv",
        compared=folder / "downstream_compared.csv",
        predictions=folder / "predictions.parquet",
        probes=folder / "probes.json",
        threads=threads,
        settings=settings,
    )
    return pd.read_csv(folder / "downstream.csv").set_index(["encoder", "task"])


def test_planted_truth_comes_back(cohort):
    frame, _, folder = cohort
    table = evaluate(folder)
    assert list(table.reset_index().columns) == COLUMNS
    assert table.index.is_unique
    assert set(table.index) == {(e, t.name) for e in ("ldae", "demographics") for t in TASKS}
    ad = table.loc[("ldae", "ad_vs_cn")]
    assert ad["roc_auc"] > 0.9
    assert ad["roc_auc_low"] <= ad["roc_auc"] <= ad["roc_auc_high"]
    assert ad[["mae", "rmse", "r2"]].isna().all()
    test = frame[(frame["split"] == "test") & (frame["diagnosis"] != "MCI")]
    assert ad["n_test"] == len(test)
    assert ad["n_subjects"] == test["participant_id"].nunique()
    age = table.loc[("ldae", "age")]
    assert age["mae"] < table.loc[("demographics", "age"), "mae"]
    assert age["n_test"] == (frame["split"] == "test").sum()
    assert 0.3 < table.loc[("demographics", "ad_vs_cn"), "roc_auc"] < 0.7


def test_predictions_are_of_test_scans_and_give_the_table(cohort):
    frame, _, folder = cohort
    table = evaluate(folder)
    predictions = pd.read_parquet(folder / "predictions.parquet")
    split = predictions.merge(frame, on=["participant_id", "session_id"])["split"]
    assert set(split) == {"test"}
    mine = predictions[(predictions["encoder"] == "ldae") & (predictions["task"] == "ad_vs_cn")]
    expected = roc_auc_score(mine["truth"], mine["prediction"])
    assert table.loc[("ldae", "ad_vs_cn"), "roc_auc"] == pytest.approx(expected, rel=1e-5)


def test_nothing_sees_test_or_validation_scans(cohort):
    """Spoiling all but training codes changes no fitted number."""
    frame, codes, folder = cohort
    evaluate(folder)
    before = json.loads((folder / "probes.json").read_text())
    spoilt = codes.copy()
    spoilt[(frame["split"] != "train").to_numpy()] = 1e4
    write_embeddings(frame, spoilt, folder / "ldae.parquet")
    evaluate(folder)
    assert json.loads((folder / "probes.json").read_text()) == before


def test_the_stored_probe_gives_the_predictions(cohort):
    frame, codes, folder = cohort
    evaluate(folder)
    probe = LinearProbe.from_json(json.loads((folder / "probes.json").read_text())["ldae"]["age"])
    predictions = pd.read_parquet(folder / "predictions.parquet")
    mine = predictions[(predictions["encoder"] == "ldae") & (predictions["task"] == "age")]
    known = frame[["participant_id", "session_id"]].assign(expected=probe.score(codes))
    merged = mine.merge(known, on=["participant_id", "session_id"])
    np.testing.assert_allclose(merged["prediction"], merged["expected"], rtol=1e-6)


@pytest.mark.usefixtures("_few_epochs")
def test_same_bytes_again(cohort):
    _, _, folder = cohort
    names = [*TABLES, "predictions.parquet", "probes.json"]
    evaluate(folder)
    first = [(folder / name).read_bytes() for name in names]
    evaluate(folder)
    assert first == [(folder / name).read_bytes() for name in names]


def test_a_split_without_scans_is_said(cohort):
    frame, _, folder = cohort
    write_table(frame.assign(split="train"), folder / "scans.parquet", SCANS)
    with pytest.raises(UserError, match="no scan is in the split test"):
        evaluate(folder)


def test_a_task_without_test_scans_is_a_row_without_metrics(cohort):
    frame, _, folder = cohort
    only_mci = frame[(frame["split"] != "test") | (frame["diagnosis"] == "MCI")]
    write_table(only_mci, folder / "scans.parquet", SCANS)
    table = evaluate(folder)
    for encoder in ("ldae", "demographics"):
        row = table.loc[(encoder, "ad_vs_cn")]
        assert row[["n_test", "n_subjects"]].tolist() == [0, 0]
        assert row["n_train"] > 0
        assert row[[name for name in SCORES if name in row]].isna().all()
        assert "roc_auc: no test scan is eligible" in row["not_computed"]
        assert table.loc[(encoder, "age"), "mae"] > 0
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert set(predictions["task"]) == {"age", "age_as_paper", "cn_mci_ad"}


def test_a_code_without_any_content_is_evaluated(cohort):
    frame, codes, folder = cohort
    write_embeddings(frame, np.zeros_like(codes), folder / "ldae.parquet")
    assert evaluate(folder).loc[("ldae", "ad_vs_cn"), "roc_auc"] == 0.5
    probe = json.loads((folder / "probes.json").read_text())["ldae"]["ad_vs_cn"]
    assert set(probe["weight"]) == {0.0}


def test_supervised_networks_are_rows_without_a_probe(evaluated):
    frame, folder, tables = evaluated
    rows = tables["downstream.csv"].set_index(["encoder", "task"]).loc["supervised"]
    assert list(rows.index) == ["ad_vs_cn", "age", "ad_vs_cn_as_paper", "age_as_paper"]
    assert rows.loc["age", ["mae", "rmse"]].tolist() == pytest.approx([1, 1])
    assert rows["regularisation"].isna().all()
    known = frame[(frame["split"] == "train") & (frame["diagnosis"] != "MCI")]
    assert rows.loc["ad_vs_cn", "n_train"] == len(known)
    assert "supervised" not in json.loads((folder / "probes.json").read_text())


def test_supervised_predictions_must_cover_the_test_scans(cohort):
    frame, _, folder = cohort
    path = folder / "supervised-age.parquet"
    known = frame[frame["split"] != "test"]
    write_table(known[KEYS].assign(prediction=70.0), path, SUPERVISED_PREDICTIONS)
    with pytest.raises(UserError, match="no prediction for sub-102_ses-M000 and 95 more scans"):
        evaluate(folder, [path])
    other = path.rename(folder / "supervised-sex.parquet")
    with pytest.raises(UserError, match="supervised-sex: no supervised network"):
        evaluate(folder, [other])


def test_every_empty_metric_says_why(evaluated):
    for name, columns in zip(TABLES, (COLUMNS, GROUP_COLUMNS, COMPARED_COLUMNS), strict=True):
        table = evaluated[2][name]
        assert list(table) == columns
        for row in table.to_dict("records"):
            said = {part.partition(": ")[0] for part in row["not_computed"].split("; ")}
            empty = {m for m in [*METRICS, *CALIBRATION] if m in row and np.isnan(row[m])}
            assert empty == said
            for metric in set(METRICS) & set(row) - empty:
                assert row[f"{metric}_low"] <= row[metric] <= row[f"{metric}_high"]


def test_three_diagnoses_are_told_apart(evaluated):
    frame, folder, tables = evaluated
    row = tables["downstream.csv"].set_index(["encoder", "task"]).loc[("ldae", "cn_mci_ad")]
    assert row["n_test"] == (frame["split"] == "test").sum()
    assert 0.7 < row["roc_auc"] < 0.95
    told = pd.read_parquet(folder / "predictions.parquet")
    told = told[(told["encoder"] == "ldae") & (told["task"] == "cn_mci_ad")]
    chances = told[["probability_cn", "probability_mci", "probability_ad"]].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    expected = roc_auc_score(told["truth"], chances, multi_class="ovr")
    assert row["roc_auc"] == pytest.approx(expected, rel=1e-5)


def test_the_papers_way_has_cn_for_the_positive_class(evaluated):
    _, folder, tables = evaluated
    row = tables["downstream.csv"].set_index(["encoder", "task"])
    row = row.loc[("ldae", "ad_vs_cn_as_paper")]
    told = pd.read_parquet(folder / "predictions.parquet")
    told = told[(told["encoder"] == "ldae") & (told["task"] == "ad_vs_cn_as_paper")]
    is_cn, called_cn = told["truth"] == 0, told["prediction"] < 0.5
    assert row["recall"] == pytest.approx(recall_score(is_cn, called_cn), rel=1e-5)
    assert row["precision"] == pytest.approx(precision_score(is_cn, called_cn), rel=1e-5)
    assert row["roc_auc"] > 0.85  # little training at so low a rate


def test_groups_are_parts_of_the_test_scans(evaluated):
    frame, _, tables = evaluated
    table = tables["downstream_by_group.csv"]
    keys = ["encoder", "task", "visits", "group", "level"]
    assert not table.duplicated(keys).any()
    age = (
        table[(table["encoder"] == "ldae") & (table["task"] == "age")]
        .set_index(keys[2:])
        .sort_index()
    )
    test = frame[frame["split"] == "test"]
    counts = age["n_test"]
    assert counts["baseline", "all", "all"] == (test["months"] == 0).sum()
    for group in ("sex", "age_tertile", "field_strength"):
        assert counts["all", group].sum() == len(test)
    assert list(counts["all", "field_strength"].index) == ["1.5 T", "3 T"]
    assert list(counts["all", "seed"].index) == ["1", "2"]
    first = frame[(frame["split"] == "train") & (frame["months"] == 0)]["age"]
    low, high = np.round(np.quantile(first, [1 / 3, 2 / 3]), 1)
    levels = [f"below {low:g}", f"{low:g} to {high:g}", f"from {high:g}"]
    assert set(counts["all", "age_tertile"].index) == set(levels)
    assert set(table.loc[table["task"].str.endswith("as_paper"), "group"]) == {"seed"}


def test_encoders_are_compared_on_the_same_scans(evaluated):
    _, _, tables = evaluated
    main = tables["downstream.csv"].set_index(["encoder", "task"])
    pairs = tables["downstream_compared.csv"].set_index(["task", "encoder", "reference"])
    assert pairs.index.is_unique
    assert len(pairs.loc["ad_vs_cn"]) == 6  # of four encoders
    assert len(pairs.loc["cn_mci_ad"]) == 3  # there is no supervised network
    for (task, one, other), row in pairs.iterrows():
        for metric in ("roc_auc", "mae"):
            expected = main.loc[(one, task), metric] - main.loc[(other, task), metric]
            assert row[metric] == pytest.approx(expected, abs=1e-5, nan_ok=True)
    better = pairs.loc[("ad_vs_cn", "ldae", "ldae-noise")]
    assert better["roc_auc_low"] > 0.2


def test_pairs_have_narrower_intervals_than_their_difference_alone(evaluated):
    """Two codes that err on the same scans: wide intervals of their own, not of the difference."""
    frame, folder, _ = evaluated
    place = folder / "twins"
    place.mkdir()
    write_table(frame, place / "scans.parquet", SCANS)
    generator = np.random.default_rng(3)
    codes = generator.normal(size=(len(frame), 1)) + (frame[["diagnosis"]] == "AD").to_numpy()
    near = codes + 0.05 * generator.normal(size=codes.shape)
    for name, of in (("ldae", codes), ("ldae-near", near)):
        write_embeddings(frame, of.astype(np.float32), place / f"{name}.parquet")
    table = evaluate(
        place, settings=SETTINGS.model_copy(update={"downstream": Downstream(seeds=0)})
    )
    pairs = pd.read_csv(place / "downstream_compared.csv").set_index(KEY_OF_PAIRS)
    pair, own = pairs.loc[("ad_vs_cn", "ldae", "ldae-near")], table.loc[("ldae", "ad_vs_cn")]
    widths = [row["roc_auc_high"] - row["roc_auc_low"] for row in (pair, own)]
    assert widths[0] < widths[1] / 3


def test_a_diagnosis_that_nobody_in_training_has_is_said_in_its_row(cohort):
    frame, _, folder = cohort
    kept = frame[(frame["split"] == "test") | (frame["diagnosis"] != "MCI")]
    write_table(kept, folder / "scans.parquet", SCANS)
    table = evaluate(folder)
    row = table.loc[("ldae", "cn_mci_ad")]
    assert "roc_auc: a probe needs two training subjects" in row["not_computed"]
    assert np.isnan(row["roc_auc"])
    assert row["n_test"] == (frame["split"] == "test").sum()
    assert table.loc[("ldae", "ad_vs_cn"), "roc_auc"] > 0.9


def test_a_diagnosis_that_only_the_training_of_three_lacks_is_said_too(cohort):
    """CN and MCI without AD: a fit of two classes must not pass for one of three."""
    frame, _, folder = cohort
    kept = frame[(frame["split"] == "test") | (frame["diagnosis"] != "AD")]
    write_table(kept, folder / "scans.parquet", SCANS)
    table = evaluate(folder)
    for task in ("ad_vs_cn", "cn_mci_ad", "ad_vs_cn_as_paper"):
        assert "roc_auc: a probe needs" in table.loc[("ldae", task), "not_computed"]
    assert table.loc[("ldae", "age"), "mae"] > 0


def test_supervised_networks_are_scored_where_no_probe_can_be(cohort):
    frame, codes, folder = cohort
    path = folder / "supervised-diagnosis.parquet"
    chance = np.clip(codes[:, 0] / 2.5, 0.01, 0.99).astype(float)
    write_table(frame[KEYS].assign(prediction=chance), path, SUPERVISED_PREDICTIONS)
    kept = frame[(frame["split"] == "test") | (frame["diagnosis"] != "AD")]
    write_table(kept, folder / "scans.parquet", SCANS)
    table = evaluate(folder, [path])
    assert table.loc[("supervised", "ad_vs_cn"), "roc_auc"] > 0.9
    assert np.isnan(table.loc[("ldae", "ad_vs_cn"), "roc_auc"])
    assert table.index.is_unique
    told = pd.read_parquet(folder / "predictions.parquet")
    assert set(told.loc[told["task"] == "ad_vs_cn", "encoder"]) == {"supervised"}


@pytest.mark.usefixtures("_few_epochs")
def test_side_by_side_fits_are_the_same(cohort):
    _, _, folder = cohort
    names = [*TABLES, "predictions.parquet", "probes.json"]
    evaluate(folder)
    alone = [(folder / name).read_bytes() for name in names]
    evaluate(folder, threads=2)
    assert alone == [(folder / name).read_bytes() for name in names]


def test_planted_auc_and_error_come_back_within_their_intervals(tmp_path):
    """Two Gaussians at a distance d have AUC Φ(d/√2); Gaussian errors have MAE σ√(2/π), RMSE σ."""
    distance, sigma = 1.4, 4.0
    generator = np.random.default_rng(6)
    rows = [
        scan_row(subject, 0, ("CN", "AD")[subject % 2], ("train", "train", "test")[subject % 3])
        for subject in range(1500)
    ]
    frame = pd.DataFrame(rows).reindex(columns=SCANS.names)
    codes = generator.normal(size=(len(frame), 3))
    frame["age"] = 72 + 6 * codes[:, 1] + generator.normal(0, sigma, len(frame))
    codes[:, 0] += distance * (frame["diagnosis"] == "AD")
    write_table(frame, tmp_path / "scans.parquet", SCANS)
    write_embeddings(frame, (9 * codes - 4).astype(np.float32), tmp_path / "ldae.parquet")
    table = evaluate(
        tmp_path, settings=SETTINGS.model_copy(update={"downstream": Downstream(seeds=0)})
    ).loc["ldae"]
    truths = {
        "roc_auc": norm.cdf(distance / np.sqrt(2)),
        "accuracy": norm.cdf(distance / 2),  # halfway between the means
        "mae": sigma * np.sqrt(2 / np.pi),
        "rmse": sigma,
    }
    for task in ("ad_vs_cn", "age", "ad_vs_cn_as_paper", "age_as_paper"):
        for metric, truth in truths.items():
            low, high = table.loc[task, [f"{metric}_low", f"{metric}_high"]]
            if np.isfinite(low):
                assert low <= truth <= high, (task, metric)
    assert table.loc["ad_vs_cn", "roc_auc_high"] - table.loc["ad_vs_cn", "roc_auc_low"] < 0.08
    assert table.loc["age", "mae_high"] - table.loc["age", "mae_low"] < 0.6
