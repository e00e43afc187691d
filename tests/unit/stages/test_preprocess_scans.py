"""A bucket: one row per scan, failures with reasons, finished scans left alone."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # before anything imports ANTs

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.errors import UserError
from ldae.origin import generated_by
from ldae.preprocessing.outputs import outputs_of
from ldae.preprocessing.template import load_head, load_template
from ldae.stages.preprocess import PAPER, preprocess
from ldae.stages.preprocess import Settings as SingleSettings
from ldae.stages.preprocess_scans import Settings, preprocess_scans
from ldae.tables import CONVERTED, PREPROCESSED, read_table, write_table

SETTINGS = {
    "preprocessing": {
        "grid": {"shape": [24, 32, 24], "spacing_mm": 6.5},
        "bias": {"resolution_mm": 4, "shrink_factor": 2, "iterations": [5]},
        "brain": {"method": "template", "resolution_mm": 4, "masks": None},
        "registration": {"transform": "affine", "resolution_mm": 8},
        "intensity": {"rule": "percentile", "percentiles": [0, 99.5]},
    }
}


VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
SINGLE = SingleSettings.model_validate(SETTINGS | {"quality": PAPER.quality.model_dump()})


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
    rows.append(("sub-C", "ses-M000", None, None))  # an image that was not converted
    converted = pd.DataFrame(
        rows, columns=["participant_id", "session_id", "image", "image_sha256"]
    )
    write_bucket(tmp_path, converted)
    return tmp_path


def write_bucket(folder, converted):
    unknown = {field.name: None for field in CONVERTED if field.name not in converted}
    write_table(converted.assign(**unknown | {"place": "I1"}), folder / "0.parquet", CONVERTED)


def run(folder, table="table.parquet", settings=SETTINGS):
    preprocess_scans(
        bucket=folder / "0.parquet",
        bids=folder / "bids",
        derivatives=folder / "derivatives",
        table=folder / table,
        devices=0,
        threads=1,
        settings=Settings.model_validate(settings),
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
    assert good[[name for name in PREPROCESSED.names if name.startswith("qc_")]].notna().all()
    assert not list((dataset / "derivatives").rglob("*sub-A*"))
    description = json.loads((dataset / "derivatives/dataset_description.json").read_text())
    assert description["SourceDatasets"] == [{"URL": "../bids"}]
    assert description["GeneratedBy"] == generated_by()


def test_a_second_run_touches_nothing_and_says_the_same(dataset):
    first = run(dataset)
    before = files_of(dataset)
    second = run(dataset, "again.parquet")
    assert files_of(dataset) == before
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"))


def test_a_lost_file_is_made_again(dataset):
    row = run(dataset).loc["sub-B"]
    volume = dataset / "derivatives" / row["volume"]
    volume.unlink()
    assert run(dataset).loc["sub-B", "volume_sha256"] == row["volume_sha256"]
    assert volume.is_file()


def test_an_image_that_went_bad_leaves_nothing_of_its_past(dataset):
    run(dataset)
    bucket = read_table(dataset / "0.parquet", CONVERTED)
    bad = dataset / "bids" / "sub-B_ses-M000_T1w.nii.gz"
    bad.write_bytes(b"")
    bucket.loc[bucket["participant_id"] == "sub-B", "image_sha256"] = "other"
    write_table(bucket, dataset / "0.parquet", CONVERTED)
    assert run(dataset).loc["sub-B", "failure"].startswith("unreadable")
    assert not list((dataset / "derivatives").rglob("*sub-B*_T1w*"))


def test_a_bucket_of_another_kind_or_without_its_images_is_a_mistake(dataset):
    bucket = read_table(dataset / "0.parquet", CONVERTED)
    bucket.drop(columns="image_sha256").to_parquet(dataset / "0.parquet")
    with pytest.raises(UserError, match="image_sha256"):
        run(dataset)
    write_table(bucket.assign(image="gone.nii.gz"), dataset / "0.parquet", CONVERTED)
    with pytest.raises(UserError, match=r"gone\.nii\.gz does not exist"):
        run(dataset)


def test_one_image_outside_the_workflow(dataset, tmp_path):
    image = dataset / "bids" / "sub-B_ses-M000_T1w.nii.gz"
    preprocess(image, output=tmp_path / "one", settings=SINGLE)
    assert "SourceDatasets" not in (tmp_path / "one/dataset_description.json").read_text()
    made = [path.name for path in (tmp_path / "one").rglob("*desc-preproc_T1w.nii.gz")]
    assert made == ["sub-B_ses-M000_space-MNI152NLin2009aSym_res-6p5_desc-preproc_T1w.nii.gz"]
    other = tmp_path / "my head.nii.gz"
    other.write_bytes(image.read_bytes())
    preprocess(other, output=tmp_path / "other", settings=SINGLE)
    assert len(list((tmp_path / "other/sub-myhead/ses-1/anat").iterdir())) == 9


def test_a_second_image_of_the_session_replaces_nothing(tmp_path):
    outputs = outputs_of("sub-A", "ses-1", SINGLE.preprocessing, derivatives=tmp_path)
    outputs.quality.parent.mkdir(parents=True)
    outputs.quality.write_text('{"Sources": ["sub-A_ses-1_run-1_T1w.nii.gz"]}')
    image = tmp_path / "sub-A_ses-1_run-2_T1w.nii.gz"
    image.write_bytes(b"")
    with pytest.raises(UserError, match=r"was made from sub-A_ses-1_run-1_T1w\.nii\.gz, not"):
        preprocess(image, output=tmp_path, settings=SINGLE)
    assert outputs.quality.is_file()
    with pytest.raises(UserError, match="is not a folder"):
        preprocess(image, output=image, settings=SINGLE)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        preprocess(tmp_path / "nothing.nii.gz", output=tmp_path / "x", settings=SINGLE)


def test_supplied_masks_are_used_and_their_changes_noticed(dataset):
    brain = SETTINGS["preprocessing"]["brain"] | {"method": "mask"}
    with_masks = {"preprocessing": SETTINGS["preprocessing"] | {"brain": brain}}
    assert run(dataset, settings=with_masks).loc["sub-B", "failure"].startswith("no-mask: ")
    mask = load_template(4.0).mask
    drawn = nib.Nifti1Image((mask.data > 0.5).astype(np.uint8), mask.affine)
    nib.save(drawn, dataset / "bids/sub-B_ses-M000_desc-brain_mask.nii.gz")
    first = run(dataset, settings=with_masks).loc["sub-B"]
    assert first["qc_template_dice"] > 0.95
    before = files_of(dataset)
    run(dataset, settings=with_masks)
    assert files_of(dataset) == before
    shrunk = nib.Nifti1Image((mask.data > 0.9).astype(np.uint8), mask.affine)
    nib.save(shrunk, dataset / "bids/sub-B_ses-M000_desc-brain_mask.nii.gz")
    assert run(dataset, settings=with_masks).loc["sub-B", "qc_brain_ml"] < first["qc_brain_ml"]


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_derivative_is_valid_bids(dataset):
    run(dataset)
    command = [VALIDATOR, "--format", "json", dataset / "derivatives"]
    done = subprocess.run(command, capture_output=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


BUSY_THREADS = """
import os, sys, time
from ldae.cli import main

cpu, wall = time.process_time(), time.monotonic()
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
ratio = (time.process_time() - cpu) / (time.monotonic() - wall)
busy = 0
for task in set(os.listdir("/proc/self/task")) - {str(os.getpid())}:
    with open(f"/proc/self/task/{task}/stat") as stat:
        user, system = map(int, stat.read().rpartition(")")[2].split()[11:13])
    busy += user + system > 2
print(ratio, busy)
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_work_than_were_asked_for(dataset, threads):
    words = ["preprocess-scans", "--bucket", "0.parquet", "--bids", "bids", "--derivatives", "d"]
    words += ["--table", "t", "--devices", "0", "--threads", str(threads)]
    words += ["--settings", json.dumps(SETTINGS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as Snakemake sets it
    environment["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "7"  # the option decides, not this
    done = subprocess.run(
        [sys.executable, "-c", BUSY_THREADS, *words],
        cwd=dataset,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ratio, beside_main = done.stdout.split()
    assert float(ratio) < threads + 0.05
    assert int(beside_main) == (0 if threads == 1 else threads)


def test_the_default_is_the_papers_configuration(project):
    import yaml

    paper = yaml.safe_load((project / "config/config.yaml").read_text())
    assert (
        SingleSettings.model_validate({key: paper[key] for key in PAPER.model_fields_set}) == PAPER
    )
