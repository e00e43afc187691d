"""Preprocessing in the workflow, for real: what a changed setting reruns, and what is left."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ldae.tables import INGESTED, SCANS, read_table

from .conftest import Workflow, workflow_in

pytestmark = pytest.mark.slow

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
SMALL = "synthetic: {subjects: {CN: 6, MCI: 1, AD: 6}, visits_per_subject: [2, 2], traps: false}"


@pytest.fixture(scope="module")
def preprocessed(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Workflow:
    """A folder in which everything up to the table of scans has run once."""
    workflow = workflow_in(tmp_path_factory.mktemp("preprocessed"), project)
    done = workflow.run("preprocess", configfiles=workflow.overlay(SMALL))
    assert done.returncode == 0, done.stdout[-8000:]
    return workflow


def planned(workflow: Workflow, text: str) -> set[str]:
    """The rules that `snakemake preprocess` would execute with one more overlay."""
    configfiles = (*workflow.overlay(SMALL), workflow.overlay(text)[-1])
    done = workflow.run("--dry-run", "preprocess", configfiles=configfiles)
    assert done.returncode == 0, done.stdout
    table = done.stdout.rpartition("Job stats:")[2].partition("total")[0]
    return set(re.findall(r"^([a-z]\w+) +\d+$", table, re.MULTILINE)) - {"preprocess"}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("{}", set()),
        ("quality: {min_snr: 7.0}", {"gather_scans"}),
        (
            "preprocessing: {registration: {transform: rigid}}",
            {"preprocess_scans", "gather_scans"},
        ),
        (
            "preprocessing: {brain: {method: antspynet}}",
            {"fetch_brain_network", "preprocess_scans", "gather_scans"},
        ),
    ],
)
def test_an_edited_key_reruns_what_it_touches(
    preprocessed: Workflow, change: str, rules: set[str]
) -> None:
    assert planned(preprocessed, change) == rules


def test_a_mask_that_is_redrawn_is_noticed(preprocessed: Workflow) -> None:
    mask = preprocessed.folder / "masks/sub-A/ses-1/anat/sub-A_ses-1_desc-brain_mask.nii.gz"
    mask.parent.mkdir(parents=True)
    mask.write_text("first")
    with_masks = "preprocessing: {brain: {method: mask, masks: masks}}"
    configfiles = (*preprocessed.overlay(SMALL), preprocessed.overlay(with_masks)[-1])
    touched = preprocessed.run("preprocess", "--touch", configfiles=configfiles)
    assert touched.returncode == 0, touched.stdout
    assert planned(preprocessed, with_masks) == set()
    mask.write_text("second")
    assert planned(preprocessed, with_masks) == {"preprocess_scans", "gather_scans"}
    shutil.rmtree(preprocessed.folder / "masks")
    gone = preprocessed.run("--dry-run", "preprocess", configfiles=configfiles)
    assert "preprocessing.brain.masks: there is no folder masks" in gone.stdout


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_derivative_is_valid_bids(preprocessed: Workflow) -> None:
    folder = preprocessed.results / "derivatives/ldae"
    command = [VALIDATOR, "--format", "json", folder]
    done = subprocess.run(command, capture_output=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_every_scan_has_a_volume_a_mask_and_figures(preprocessed: Workflow) -> None:
    scans = read_table(preprocessed.results / "cohort/scans.parquet", SCANS)
    ingested = read_table(preprocessed.results / "cohort/ingested.parquet", INGESTED)
    assert len(scans) == len(ingested) > 20
    for scan in scans.itertuples():
        for name in (scan.volume, scan.mask):
            assert (preprocessed.results / "derivatives/ldae" / name).is_file()
    figures = [name for name in SCANS.names if name.startswith("qc_")]
    assert scans[figures].notna().all(axis=None)
