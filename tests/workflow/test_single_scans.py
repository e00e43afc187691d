"""Single scans on the finished small run: the numbers are the workflow's, raw heads go through."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import ldae
from ldae import cli
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.pretrained.model import Model
from ldae.report.examples import read_examples
from ldae.tables import SCANS, read_table

from .conftest import Workflow

pytestmark = pytest.mark.slow

CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # the workflow's batches are larger, which rounds otherwise


@pytest.fixture(scope="module")
def model(finished: Workflow) -> Model:
    return ldae.load(finished.results / "models")


@pytest.fixture(scope="module")
def test_scans(finished: Workflow) -> pd.DataFrame:
    return take_split(read_table(finished.results / "cohort/scans.parquet", SCANS), "test")


def place(finished: Workflow, row: pd.Series) -> Path:
    """Its preprocessed volume."""
    return finished.results / "derivatives/ldae" / str(row["volume"])


def stopped(*words: object) -> str:
    """What the command line ends with: its exit status, or why it stopped."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words), "--devices", "0"])
    return str(ended.value.code)


def test_codes_and_predictions_are_the_workflows(
    finished: Workflow, model: Model, test_scans: pd.DataFrame
) -> None:
    told = pd.read_parquet(finished.results / "tables/predictions.parquet")
    told = told[told["encoder"] == "ldae"].set_index(["participant_id", "session_id", "task"])
    codes = read_embeddings(finished.results / "embeddings/ldae.parquet", test_scans)
    compared = 0
    for code, (_, row) in zip(codes, test_scans.iterrows(), strict=True):
        scan = model.read(place(finished, row))
        assert scan.remarks == ()
        np.testing.assert_allclose(model.encode(scan), code, **CLOSE)
        for task, value in model.predict(scan).items():
            key = (row["participant_id"], row["session_id"], task)
            if key in told.index:
                np.testing.assert_allclose(value, told.loc[key, "prediction"], **CLOSE)
                compared += 1
    assert compared > len(test_scans)


def test_reconstructions_are_the_workflows(
    finished: Workflow, model: Model, test_scans: pd.DataFrame
) -> None:
    example = read_examples([finished.results / "reconstructions/ldae/T4/example.npz"])
    scan = model.read(place(finished, test_scans.iloc[0]))
    np.testing.assert_array_equal(scan.volume, example.scan)
    expected = example.made["ldae", "encoded"].clip(0, 1)
    np.testing.assert_allclose(model.reconstruct(scan, steps=4), expected, atol=1e-4)


def test_manipulations_are_the_workflows(
    finished: Workflow, model: Model, test_scans: pd.DataFrame
) -> None:
    moved = pd.read_parquet(finished.results / "tables/manipulation.parquet")
    first = test_scans.iloc[0]
    own = moved[
        (moved["participant_id"] == first["participant_id"])
        & (moved["session_id"] == first["session_id"])
        & (moved["direction"] == "age")
    ].sort_values("strength")
    volumes = model.manipulate(
        model.read(place(finished, first)),
        toward="age",
        strengths=own["strength"].tolist(),
        steps=4,
    )
    read = [model.predict(volume)["age"] for volume in volumes]
    np.testing.assert_allclose(read, own["age"], rtol=1e-3)


def test_samples_are_the_workflows(finished: Workflow, model: Model) -> None:
    settings = json.loads((finished.results / "provenance.json").read_text())["settings"]
    steps, seed = settings["generation"]["steps"], settings["seed"]
    made = nib.load(finished.results / "samples/ldm/sample-000_T1w.nii.gz")
    sample = model.sample(count=1, steps=steps, seed=seed)[0]
    np.testing.assert_allclose(sample, made.dataobj, atol=1e-3)
    np.testing.assert_array_equal(model.affine, made.affine)


def test_the_runs_own_scans_are_usual_and_others_are_not(
    finished: Workflow, model: Model, test_scans: pd.DataFrame
) -> None:
    scans = [model.read(place(finished, row)) for _, row in test_scans.iterrows()]
    scores = [model.shift(scan).score for scan in scans]
    assert np.median(scores) < 0.99
    volume = scans[0].volume
    for odd in (volume[:, ::-1], volume[:, :, ::-1], volume**3):
        assert model.shift(np.ascontiguousarray(odd)).score > 0.99


def test_a_raw_head_is_refused_or_preprocessed_like_the_training_scans(
    finished: Workflow,
    model: Model,
    test_scans: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = test_scans.iloc[0]
    raw = finished.results / "bids" / row["image"]
    words = ["encode", raw, "--models", finished.results / "models", "--output", tmp_path]
    refusal = stopped(*words)
    assert refusal.startswith(f"ldae encode: {raw}: ")
    assert "but the models read 24 x 32 x 24 voxels of 6.5 x 6.5 x 6.5 mm" in refusal
    assert stopped(*words, "--preprocess", "--json") == "0"
    (result,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert result["contract"] == model.contract.sha256  # type: ignore[union-attr]
    volume = place(finished, row)
    (made,) = (tmp_path / "preprocessed").rglob(volume.name)
    np.testing.assert_allclose(nib.load(made).get_fdata(), nib.load(volume).get_fdata(), atol=1e-3)
    codes = np.load(tmp_path / result["codes"])
    np.testing.assert_allclose(codes["y_sem"], model.encode(model.read(volume)), atol=1e-2)
