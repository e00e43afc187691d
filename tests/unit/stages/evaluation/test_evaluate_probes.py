import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ldae.config import Bootstrap, Probe
from ldae.data.embeddings import write_embeddings
from ldae.errors import UserError
from ldae.metrics.probe import LinearProbe
from ldae.stages.evaluate_probes import COLUMNS, Settings, evaluate_probes
from ldae.tables import SCANS, write_table

from .conftest import scan_row

SETTINGS = Settings(
    seed=1,
    probe=Probe(inverse_regularisation=(0.01, 0.1), ridge_penalty=(1.0, 100.0), folds=3),
    bootstrap=Bootstrap(replicates=200, confidence=0.95),
)


@pytest.fixture
def cohort(tmp_path):
    """240 subjects; the codes know the disease and the age, with noise."""
    generator = np.random.default_rng(0)
    rows = []
    for subject in range(240):
        split = ("train", "train", "train", "validation", "test")[subject // 3 % 5]
        diagnosis = ("CN", "MCI", "AD")[subject % 3]
        rows += [scan_row(subject, months, diagnosis, split) for months in (0, 12)]
    frame = pd.DataFrame(rows).reindex(columns=SCANS.names)
    frame["age"] = generator.normal(72, 7, len(frame))
    write_table(frame, tmp_path / "scans.parquet", SCANS)
    codes = generator.normal(size=(len(frame), 5)).astype(np.float32)
    codes[:, 0] += frame["diagnosis"].map({"CN": 0, "MCI": 1, "AD": 2.5})
    codes[:, 1] += frame["age"] / 5
    write_embeddings(frame, codes, tmp_path / "ldae.parquet")
    return frame, codes, tmp_path


def evaluate(folder):
    evaluate_probes(
        scans=folder / "scans.parquet",
        embeddings=[folder / "ldae.parquet"],
        table=folder / "downstream.csv",
        predictions=folder / "predictions.parquet",
        probes=folder / "probes.json",
        settings=SETTINGS,
    )
    return pd.read_csv(folder / "downstream.csv").set_index(["encoder", "task"])


def test_planted_truth_comes_back(cohort):
    frame, _, folder = cohort
    table = evaluate(folder)
    assert list(table.reset_index().columns) == COLUMNS
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


def test_same_bytes_again(cohort):
    _, _, folder = cohort
    names = ("downstream.csv", "predictions.parquet", "probes.json")
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
        assert row.drop(["n_train", "n_test", "n_subjects"]).isna().all()
        assert table.loc[(encoder, "age"), "mae"] > 0
    assert set(pd.read_parquet(folder / "predictions.parquet")["task"]) == {"age"}


def test_a_code_without_any_content_is_evaluated(cohort):
    frame, codes, folder = cohort
    write_embeddings(frame, np.zeros_like(codes), folder / "ldae.parquet")
    assert evaluate(folder).loc[("ldae", "ad_vs_cn"), "roc_auc"] == 0.5
    probe = json.loads((folder / "probes.json").read_text())["ldae"]["ad_vs_cn"]
    assert set(probe["weight"]) == {0.0}
