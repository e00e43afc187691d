"""What trains again when the user's data change: a dry run says it once scans are preprocessed."""

import re
from pathlib import Path

import pandas as pd
import pytest

from .answers import TABLE_OF_SCANS
from .conftest import Workflow, copied

pytestmark = pytest.mark.slow

OWN = "cohort: {source: adni, download: download}"
# Every job after the table of scans, by its rule.
READERS = {job.partition(":")[0] for job in TABLE_OF_SCANS} - {"gather_scans"}
OF_ONE_SCAN = [
    "Looking at what the download holds, and choosing scans",
    "Converting the images of bucket",
    "Describing the scans as a BIDS dataset, and every image in one table",
    "Preprocessing bucket",
    "Gathering the scans that passed, and splitting subjects",
]


@pytest.fixture(scope="module")
def own(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the finished run, made as if its download were the user's own."""
    workflow = copied(finished, tmp_path_factory.mktemp("own") / "run")
    (workflow.results / "download").rename(workflow.folder / "download")
    (workflow.results / "cohort/source.json").unlink()
    touched = workflow.run("--touch", configfiles=workflow.overlay(OWN))
    assert touched.returncode == 0, touched.stdout[-4000:]
    assert workflow.planned(OWN) == set()
    return workflow


def preprocess(workflow: Workflow) -> list[str]:
    """Run what leads to the table of scans; what ran, in words."""
    done = workflow.run("preprocess", configfiles=workflow.overlay(OWN))
    assert done.returncode == 0, done.stdout[-4000:]
    said = re.findall(r"^Job \d+: (.*?)(?: [0-9a-f]{4})?$", done.stdout, re.MULTILINE)
    assert isinstance(said, list)
    return said


def volumes(workflow: Workflow) -> dict[str, int]:
    """When each preprocessed volume was written."""
    found = (workflow.results / "derivatives").rglob("*_desc-preproc_T1w.nii.gz")
    return {path.name: path.stat().st_mtime_ns for path in found}


def scans(workflow: Workflow) -> pd.DataFrame:
    return pd.read_parquet(workflow.results / "cohort/scans.parquet")


def test_a_scan_that_leaves_retrains_and_one_that_returns_does_not(own: Workflow) -> None:
    before, written = scans(own), volumes(own)
    images = pd.read_csv(own.results / "cohort/images.tsv", sep="\t").query("status == 'used'")
    image = images[images["place"].str.match(r"ADNI/.*\.dcm$")].iloc[0]
    leaf = own.folder / "download" / Path(image["place"]).parent
    leaf.rename(own.folder / "aside")
    assert sorted(preprocess(own)) == sorted(OF_ONE_SCAN)
    gone = set(written) - set(volumes(own))
    assert len(gone) == 1
    assert {name: written[name] for name in volumes(own)} == volumes(own)
    assert len(scans(own)) == len(before) - 1
    assert own.planned(OWN) == READERS

    (own.folder / "aside").rename(leaf)
    assert sorted(preprocess(own)) == sorted(OF_ONE_SCAN)
    changed = {name for name, when in volumes(own).items() if when != written[name]}
    assert changed == gone
    pd.testing.assert_frame_equal(scans(own), before)
    assert own.planned(OWN) == set()


def test_a_changed_diagnosis_preprocesses_nothing_and_trains_nothing_anew(own: Workflow) -> None:
    before, written = scans(own), volumes(own)
    table = own.folder / "download/study_files/ADNIMERGE_18Feb2025.csv"
    scan = before.query("diagnosis == 'MCI' and diagnosis_source == 'ADNIMERGE'").iloc[0]
    merged = pd.read_csv(table, dtype=str)
    visits = merged["PTID"].str.replace("_", "") == scan["participant_id"].removeprefix("sub-ADNI")
    merged.loc[visits, "DX"] = "Dementia"
    merged.to_csv(table, index=False)

    ran = [OF_ONE_SCAN[place] for place in (0, 2, 4)]  # looking, describing, gathering
    assert sorted(preprocess(own)) == sorted(ran)
    assert volumes(own) == written
    then, now = (table["diagnosis"].fillna("unknown") for table in (before, scans(own)))
    assert set(before["participant_id"][then != now]) == {scan["participant_id"]}
    assert own.planned(OWN) == READERS

    weights = own.results / "models/autoencoder/weights.safetensors"
    trained = weights.read_bytes()
    done = own.run("autoencoder", configfiles=own.overlay(OWN))
    assert done.returncode == 0, done.stdout[-4000:]
    log = (own.results / "logs/train_autoencoder.log").read_text()
    assert re.search(r"continuing at step (\d+) of \1$", log, re.MULTILINE), log
    assert weights.read_bytes() == trained
