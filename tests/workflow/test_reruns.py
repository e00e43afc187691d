"""What runs again when a user's download changes: no less than must, and no more."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.acceptance.archive import SUBJECT, Archive, visit

from .conftest import SMOKE, Workflow, workflow_in

pytestmark = pytest.mark.slow

OVERLAY = """
cohort: {source: adni, download: download}
ingestion: {max_failed_fraction: 1.0}
selection: {min_slices: 10, max_voxel_mm: 12.0, min_extent_mm: 100.0}
resources: {scans_per_job: 1}
"""
OTHER, LATER = "002_S_0413", "100_S_10029"
RULES = {  # by the start of their messages
    "Looking at": "index_download",
    "Converting the": "convert_images",
    "Describing the": "export_bids",
}
GAP = [*range(5), *range(6, 12)]


def write_zip(download: Path, *, keep: list[int] | None = None) -> None:
    """A zip of one image, whole or with the slices that arrived."""
    part = Archive(download.parent / "part")
    part.series(1521, ptid=LATER, when="2024-03-14 10:00:00", keep=keep)
    part.zip(download / "ADNI1.zip")


def write_visits(download: Path, diagnosis: str) -> None:
    days = {SUBJECT: "2011-03-20", OTHER: "2012-03-20"}
    rows = [visit(ptid, "bl", day, diagnosis, baseline=day) for ptid, day in days.items()]
    Archive(download).table("ADNIMERGE.csv", rows)


def ingest(workflow: Workflow) -> tuple[dict[int, str], set[str]]:
    """What became of each image that has an id, and which rules ran for it."""
    done = workflow.run("ingest", configfiles=workflow.overlay(OVERLAY))
    assert done.returncode == 0, done.stdout[-4000:]
    images = pd.read_csv(workflow.results / "cohort/images.tsv", sep="\t")
    images = images.dropna(subset=["image_id"])
    fates = dict(zip(images["image_id"], images["reason"].fillna("used"), strict=True))
    said = re.findall(r"^Job \d+: (\w+ \w+)", done.stdout, re.MULTILINE)
    return fates, {RULES[message] for message in said}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """A folder in which a download has been ingested."""
    folder = tmp_path_factory.mktemp("once")
    archive = Archive(folder / "download")
    archive.series(1501, when="2011-03-14 10:00:00")
    archive.series(1511, ptid=OTHER, when="2012-03-14 10:00:00", keep=range(11))
    write_zip(archive.root, keep=GAP)
    write_visits(archive.root, "MCI")
    (archive.root / "back").symlink_to(".")
    (archive.root / "lost.zip").symlink_to("nowhere.zip")
    fates, rules = ingest(workflow_in(folder, project))
    assert fates == {1501: "used", 1511: "used", 1521: "missing_slices"}
    assert rules == {"index_download", "convert_images", "export_bids"}
    return folder


@pytest.fixture
def again(once: Path, tmp_path: Path, project: Path) -> Workflow:
    """That folder, to do something to its download."""
    folder = tmp_path / "again"
    shutil.copytree(once, folder, symlinks=True)
    workflow = Workflow(project, folder)
    assert workflow.overlay(OVERLAY)[:-1] == SMOKE
    return workflow


def images_of(workflow: Workflow) -> dict[str, int]:
    bids = workflow.results / "bids"
    return {path.name: path.stat().st_mtime_ns for path in bids.rglob("*_T1w.nii.gz")}


def test_a_repaired_zip_is_converted_and_nothing_else(again: Workflow) -> None:
    before = images_of(again)
    write_zip(again.folder / "download")
    fates, rules = ingest(again)
    assert fates[1521] == "used"
    assert rules == {"index_download", "convert_images", "export_bids"}
    after = images_of(again)
    assert len(after) == len(before) + 1
    assert {name: after[name] for name in before} == before


def test_a_copy_of_a_series_that_went_on_is_converted_again(again: Workflow) -> None:
    before = images_of(again)
    Archive(again.folder / "download").series(
        1511, ptid=OTHER, when="2012-03-14 10:00:00", keep=[11]
    )
    ingest(again)
    changed = [name for name, written in images_of(again).items() if before[name] != written]
    assert changed == ["sub-ADNI002S0413_ses-M000_T1w.nii.gz"]


def test_a_changed_diagnosis_converts_nothing(again: Workflow) -> None:
    write_visits(again.folder / "download", "Dementia")
    assert ingest(again)[1] == {"index_download", "export_bids"}
    scans = pd.read_parquet(again.results / "cohort/ingested.parquet")
    assert scans.set_index("image_id").loc[1501, "diagnosis"] == "AD"


def test_a_subject_taken_away_leaves_and_may_return(again: Workflow) -> None:
    before = images_of(again)
    place = again.folder / "download/ADNI" / OTHER
    place.rename(again.folder / OTHER)
    assert 1511 not in ingest(again)[0]
    assert len(images_of(again)) == len(before) - 1
    (again.folder / OTHER).rename(place)
    assert ingest(again)[0][1511] == "used"
    assert set(images_of(again)) == set(before)
