"""A bucket: one row per scan, failures with reasons, finished scans left alone."""

import hashlib
import json
import os

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # before anything imports ANTs

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.errors import UserError
from ldae.preprocessing.template import load_head
from ldae.stages.preprocess import PAPER, preprocess
from ldae.stages.preprocess import Settings as SingleSettings
from ldae.stages.preprocess_scans import Settings, preprocess_scans
from ldae.tables import PREPROCESSED, read_table, write_tsv

SETTINGS = {
    "preprocessing": {
        "grid": {"shape": [24, 32, 24], "spacing_mm": 6.5},
        "bias": {"resolution_mm": 4, "shrink_factor": 2, "iterations": [5]},
        "brain": {"method": "template", "resolution_mm": 4},
        "registration": {"transform": "affine", "resolution_mm": 8},
        "intensity": {"rule": "percentile", "percentiles": [0, 99.5]},
    }
}


@pytest.fixture
def dataset(tmp_path):
    """Two scans: a synthetic head, and one that is cut off in the middle of the file."""
    bids = tmp_path / "bids"
    bids.mkdir()
    head = load_head(4.0).image
    rng = np.random.default_rng(0)
    noisy = np.abs(head.data + rng.normal(0, 0.02, head.data.shape))
    rows = []
    for name in ("sub-B", "sub-A"):
        path = bids / f"{name}_ses-M000_T1w.nii.gz"
        nib.save(nib.Nifti1Image((noisy * 900).astype(np.int16), head.affine), path)
        if name == "sub-A":
            path.write_bytes(path.read_bytes()[:5000])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((name, "ses-M000", path.name, digest))
    bucket = tmp_path / "0.tsv"
    write_tsv(
        pd.DataFrame(rows, columns=["participant_id", "session_id", "image", "image_sha256"]),
        bucket,
    )
    return tmp_path


def run(folder, table="table.parquet"):
    preprocess_scans(
        bucket=folder / "0.tsv",
        bids=folder / "bids",
        derivatives=folder / "derivatives",
        table=folder / table,
        threads=1,
        settings=Settings.model_validate(SETTINGS),
    )
    return read_table(folder / table, PREPROCESSED).set_index("participant_id")


def files_of(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted((folder / "derivatives").rglob("*"))
        if path.is_file()
    }


def test_good_scans_get_files_and_bad_ones_a_reason(dataset):
    table = run(dataset)
    assert list(table.index) == ["sub-A", "sub-B"]
    bad, good = table.loc["sub-A"], table.loc["sub-B"]
    assert bad["failure"].startswith("unreadable: ")
    assert pd.isna(bad["volume"])
    assert pd.isna(good["failure"])
    assert (dataset / "derivatives" / good["mask"]).is_file()
    volume = dataset / "derivatives" / good["volume"]
    assert good["volume_sha256"] == hashlib.sha256(volume.read_bytes()).hexdigest()
    assert good["qc_template_dice"] > 0.9
    assert not list((dataset / "derivatives").rglob("*sub-A*"))
    description = json.loads((dataset / "derivatives/dataset_description.json").read_text())
    assert description["SourceDatasets"] == [{"URL": "../bids"}]


def test_a_second_run_touches_nothing_and_says_the_same(dataset):
    first = run(dataset)
    before = files_of(dataset)
    second = run(dataset, "again.parquet")
    assert files_of(dataset) == before
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"))
    assert second["seconds"].max() < first["seconds"].max() / 5


def test_a_lost_file_is_made_again(dataset):
    row = run(dataset).loc["sub-B"]
    volume = dataset / "derivatives" / row["volume"]
    volume.unlink()
    assert run(dataset).loc["sub-B", "volume_sha256"] == row["volume_sha256"]
    assert volume.is_file()


def test_an_image_that_went_bad_leaves_nothing_of_its_past(dataset):
    run(dataset)
    bucket = pd.read_csv(dataset / "0.tsv", sep="\t")
    bad = dataset / "bids" / "sub-B_ses-M000_T1w.nii.gz"
    bad.write_bytes(b"")
    bucket.loc[bucket["participant_id"] == "sub-B", "image_sha256"] = "other"
    write_tsv(bucket, dataset / "0.tsv")
    assert run(dataset).loc["sub-B", "failure"].startswith("unreadable")
    assert not list((dataset / "derivatives").rglob("*sub-B*_T1w*"))


def test_a_bucket_without_its_columns_or_images_is_a_mistake(dataset):
    bucket = pd.read_csv(dataset / "0.tsv", sep="\t")
    write_tsv(bucket.drop(columns="image_sha256"), dataset / "0.tsv")
    with pytest.raises(UserError, match="no columns image_sha256"):
        run(dataset)
    write_tsv(bucket.assign(image="gone.nii.gz"), dataset / "0.tsv")
    with pytest.raises(UserError, match=r"gone\.nii\.gz does not exist"):
        run(dataset)


def test_one_image_outside_the_workflow(dataset, tmp_path):
    settings = SingleSettings.model_validate(SETTINGS)
    image = dataset / "bids" / "sub-B_ses-M000_T1w.nii.gz"
    preprocess(image, output=tmp_path / "one", settings=settings)
    assert "SourceDatasets" not in (tmp_path / "one/dataset_description.json").read_text()
    made = [path.name for path in (tmp_path / "one").rglob("*desc-preproc_T1w.nii.gz")]
    assert made == ["sub-B_ses-M000_space-MNI152NLin2009aSym_res-6p5_desc-preproc_T1w.nii.gz"]
    other = tmp_path / "my head.nii.gz"
    other.write_bytes(image.read_bytes())
    preprocess(other, output=tmp_path / "other", settings=settings)
    assert len(list((tmp_path / "other/sub-myhead/ses-1/anat").iterdir())) == 7


def test_one_bad_image_is_a_clear_error(dataset, tmp_path):
    settings = SingleSettings.model_validate(SETTINGS)
    with pytest.raises(UserError, match=r"sub-A.* cannot be preprocessed: unreadable: "):
        preprocess(
            dataset / "bids/sub-A_ses-M000_T1w.nii.gz", output=tmp_path / "x", settings=settings
        )
    with pytest.raises(UserError, match="does not exist"):
        preprocess(tmp_path / "nothing.nii.gz", output=tmp_path / "x", settings=settings)


def test_the_default_is_the_papers_configuration(project):
    import yaml

    paper = yaml.safe_load((project / "config/config.yaml").read_text())
    assert SingleSettings.model_validate({"preprocessing": paper["preprocessing"]}) == PAPER
