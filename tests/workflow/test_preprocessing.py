"""Preprocessing in the workflow, for real: what it leaves, and what is noticed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ldae.tables import INGESTED, SCANS, read_table

from .answers import ANSWERS
from .conftest import Workflow, copied

pytestmark = pytest.mark.slow

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
MASKS = "preprocessing: {brain: {method: mask, masks: masks}}"


def test_a_mask_that_is_redrawn_is_noticed(finished: Workflow, tmp_path: Path) -> None:
    own = copied(finished, tmp_path / "run")
    mask = own.folder / "masks/sub-A/ses-1/anat/sub-A_ses-1_desc-brain_mask.nii.gz"
    mask.parent.mkdir(parents=True)
    mask.write_text("first")
    touched = own.run("--touch", configfiles=own.overlay(MASKS))
    assert touched.returncode == 0, touched.stdout
    assert own.planned(MASKS) == set()
    mask.write_text("second")
    assert own.planned(MASKS) == {job.partition(":")[0] for job in ANSWERS["preprocessing"]}
    shutil.rmtree(own.folder / "masks")
    gone = own.run("--dry-run", configfiles=own.overlay(MASKS))
    assert "preprocessing.brain.masks: there is no folder masks" in gone.stdout


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_derivative_is_valid_bids(finished: Workflow) -> None:
    folder = finished.results / "derivatives/ldae"
    command = [VALIDATOR, "--format", "json", folder]
    done = subprocess.run(command, capture_output=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_every_scan_has_a_volume_a_mask_and_figures(finished: Workflow) -> None:
    scans = read_table(finished.results / "cohort/scans.parquet", SCANS)
    ingested = read_table(finished.results / "cohort/ingested.parquet", INGESTED)
    assert len(ingested) >= len(scans) > 20
    for scan in scans.itertuples():
        for name in (scan.volume, scan.mask):
            assert (finished.results / "derivatives/ldae" / name).is_file()
    figures = [name for name in SCANS.names if name.startswith("qc_")]
    assert scans[figures].notna().all(axis=None)
