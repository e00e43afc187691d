"""Acceptance 15: a second run changes nothing, a zip adds its images, a kill leaves no trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import pytest
from tests.acceptance.archive import SUBJECT, Archive, visit
from tests.acceptance.running import Ingested, commands, tree

from ldae.errors import UserError
from ldae.tables import read_tsv

PATIENCE = 60  # seconds until a job must have converted its first images
OTHER = "002_S_0413"
ALL = 100  # scans, more than there are: one job


@pytest.fixture
def download(archive: Archive) -> Path:
    """Two participants with three sessions each, one image that fails, tables, metadata."""
    for number, year in enumerate((2011, 2012, 2013)):
        for ptid, image_id in ((SUBJECT, 1501), (OTHER, 1511)):
            archive.series(image_id + number, ptid=ptid, when=f"{year}-03-14 10:00:00")
    archive.series(1491, when="2012-03-14 10:20:00", keep=[*range(5), *range(6, 12)])
    archive.table(
        "ADNIMERGE_18Feb2025.csv",
        [
            visit(ptid, code, f"{year}-03-20", "MCI", baseline="2011-03-20")
            for ptid in (SUBJECT, OTHER)
            for code, year in (("bl", 2011), ("m12", 2012), ("m24", 2013))
        ],
    )
    return archive.root


def stamps(folder: Path) -> dict[str, int]:
    """When each image and sidecar was last written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("sub-*_T1w.*")}


def test_case_15_second_run_changes_nothing(download, ingest, tmp_path):
    results = tmp_path / "results"
    first = ingest(download, results)
    files, written = tree(results), stamps(first.bids)
    assert len(first.images) == 6
    ingest(download, results)
    assert tree(results) == files
    assert stamps(first.bids) == written


def test_case_15_results_depend_on_neither_place_nor_bucket_size(download, ingest, tmp_path):
    first = ingest(download, tmp_path / "first")
    moved = download.rename(tmp_path / "elsewhere")
    second = ingest(moved, tmp_path / "second", scans_per_job=1)
    kept = ("bids", "cohort/images.tsv", "cohort/ingested.parquet", "cohort/attrition.csv")
    everything, again = tree(first.results), tree(second.results)
    for name in everything:
        if name.startswith(kept):
            assert again[name] == everything[name]


def test_case_15_one_more_zip_adds_only_its_images(download, ingest, tmp_path):
    results = tmp_path / "results"
    before = ingest(download, results)
    written, old = stamps(before.bids), tree(before.bids)
    more = Archive(tmp_path / "more")
    more.series(1531, when="2014-03-14 10:00:00")
    more.series(1541, ptid="100_S_10029", when="2024-03-14 10:00:00")
    more.zip(download / "ADNI_more.zip")
    after = ingest(download, results)
    assert set(after.used) - set(before.used) == {1531, 1541}
    assert set(before.used) < set(after.used)
    assert len(after.images) == 8
    assert {name: stamps(after.bids)[name] for name in written} == written
    new = tree(after.bids)
    assert all(new[name] == old[name] for name in old if "_T1w." in name)
    fresh = ingest(download, tmp_path / "fresh")
    assert tree(fresh.bids) == new
    _require_valid_bids(after)
    # What is taken away again leaves the dataset again.
    (download / "ADNI_more.zip").unlink()
    ingest(download, results)
    assert tree(before.bids) == old
    assert stamps(before.bids) == written


def _require_valid_bids(done: Ingested) -> None:
    validator = Path(sys.executable).with_name("bids-validator-deno")
    program = str(validator) if validator.is_file() else shutil.which("bids-validator-deno")
    if program is None:
        pytest.skip("bids-validator-deno is not installed")
    report = subprocess.run(
        [program, "--format", "json", done.bids], capture_output=True, check=False
    )
    issues = json.loads(report.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_case_15_killed_while_it_converts_then_run_again(download, ingest, tmp_path, monkeypatch):
    whole = ingest(download, tmp_path / "whole", scans_per_job=ALL)
    results, scratch = tmp_path / "results", tmp_path / "scratch"
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    work = commands(download, results, scans_per_job=ALL)
    subprocess.run(next(work), env=environment, check=True, capture_output=True)
    convert = next(work)
    for converted in (0, 1, 3):
        _kill_once(convert, results / "bids", at_least=converted, environment=environment)
        for image in results.glob("bids/sub-*/ses-*/anat/sub-*_T1w.nii.gz"):
            assert nib.load(image).get_fdata().shape == (12, 16, 14)
        for sidecar in results.glob("bids/sub-*/ses-*/anat/sub-*_T1w.json"):
            json.loads(sidecar.read_text())
        assert not list(results.glob("cohort/converted/[!.]*"))
    survivors = stamps(results / "bids")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert ingest(download, results, scans_per_job=ALL).used == whole.used
    assert tree(results) == tree(whole.results)
    assert list(scratch.rglob("*")) == []
    finished = stamps(results / "bids")
    done = [name for name in survivors if name.endswith(".json")]
    assert done
    assert all(finished[name] == survivors[name] for name in done)


def _kill_once(command: list[str], bids: Path, *, at_least: int, environment: dict) -> None:
    """Kill the job and its children as soon as that many images are done and work goes on."""
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if bids.is_dir() and len(list(bids.rglob("*_T1w.json"))) >= at_least:
                break
            time.sleep(0.001)
        assert process.poll() is None, "the job ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_too_many_failures_stop_the_run_with_the_table_of_reasons(download, ingest, tmp_path):
    for image_id in (1502, 1512):
        next(download.rglob(f"*_6_*_I{image_id}.dcm")).unlink()
    broken = next(download.rglob("*_6_*_I1503.dcm"))
    broken.write_bytes(broken.read_bytes()[:500])
    results = tmp_path / "results"
    with pytest.raises(UserError) as stopped:
        ingest(download, results, max_failed_fraction=0.05)
    message = str(stopped.value)
    for words in ("missing_slices", "unreadable_dicom", "3", "1", "max_failed_fraction"):
        assert words in message
    ledger = read_tsv(results / "cohort/images.tsv").set_index("image_id")
    assert set(ledger.loc[["1491", "1502", "1512"], "reason"]) == {"missing_slices"}
    assert ledger.loc["1503", "reason"] == "unreadable_dicom"
    assert len(ledger) == 7
    assert not (results / "cohort/ingested.parquet").exists()
    assert len(ingest(download, results, max_failed_fraction=0.6).used) == 3
