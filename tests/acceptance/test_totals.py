"""Acceptance: whatever a download holds, each group of its files is in the ledger exactly once."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance.archive import Archive
from tests.acceptance.running import run_stages

from ldae.errors import UserError
from ldae.tables import read_tsv

SUBJECTS = ["002_S_0295", "100_S_10029"]
DESCRIPTIONS = ["MPRAGE", "MPRAGE Repeat", "MPR; ; N3; Scaled", "Axial T2-FLAIR", "Localizer"]
EXAMS = ["2011-03-14 16:12:08", "2012-03-14 09:00:00"]
SHAPES = {"head": (12, 14, 16), "flat": (3, 14, 16), "two volumes": (12, 14, 16, 2)}


@dataclass(frozen=True)
class Group:
    """The files of one image, and what is the matter with them."""

    image_id: int
    ptid: str
    description: str
    when: str
    shape: str
    leaf: str  # I, S or shared: one folder for several images
    fate: str  # whole, cut, foreign, copied, conflicting
    zipped: bool


@st.composite
def groups(draw: st.DrawFn) -> list[Group]:
    """Up to seven images."""
    ids = draw(st.lists(st.integers(1, 10**8), min_size=1, max_size=7, unique=True))
    return [
        Group(
            image_id=image_id,
            ptid=draw(st.sampled_from(SUBJECTS)),
            description=draw(st.sampled_from(DESCRIPTIONS)),
            when=draw(st.sampled_from(EXAMS)),
            shape=draw(st.sampled_from(["head", "head", "flat", "two volumes"])),
            leaf=draw(st.sampled_from(["I", "S", "shared"])),
            fate=draw(st.sampled_from(["whole", "whole", "cut", "foreign", "copied", "differs"])),
            zipped=draw(st.booleans()),
        )
        for image_id in ids
    ]


def write(group: Group, download: Path, scratch: Path) -> None:
    """The group as files of `download`, or as a zip of its own there."""
    archive = Archive(scratch if group.zipped else download)
    leaf = {"I": f"I{group.image_id}", "S": f"S{group.image_id}", "shared": "S7"}[group.leaf]
    path = archive.nifti(
        group.image_id,
        ptid=group.ptid,
        description=group.description,
        when=group.when,
        leaf=leaf,
        shape=SHAPES[group.shape],
    )
    content = path.read_bytes()
    if group.fate == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif group.fate == "foreign":
        path.rename(path.with_suffix(".mgz"))
    elif group.fate in {"copied", "differs"}:
        twin = download / "again" / leaf / path.name
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes(content if group.fate == "copied" else content[:-1] + b"\x7f")
    if group.zipped:
        archive.zip(download / f"part{group.image_id}.zip")


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(images=groups(), empty_leaf=st.booleans())
def test_every_group_of_files_has_one_row(images, empty_leaf, tmp_path):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    download, results = Archive(folder / "download").root, folder / "results"
    for image in images:
        write(image, download, folder / "scratch")
    if empty_leaf:
        Archive(download).leaf(0, description="MPRAGE").mkdir(parents=True)
    try:
        run_stages(download, results)
    except UserError:  # nothing of it is a head scan; the ledger, if it came to one, shows why
        if not (results / "cohort/images.tsv").exists():
            return
    ledger = read_tsv(results / "cohort/images.tsv")
    rows = ledger["image_id"].dropna().astype(int)
    known = {image.image_id for image in images}
    assert sorted(rows[rows > 0]) == sorted(known)
    assert ledger["place"].is_unique
    assert len(ledger) == len(known) + empty_leaf
    assert set(ledger["status"]) <= {"used", "excluded"}
    verdicts = ledger.set_index("image_id")[["status", "reason"]]
    for image in images:
        sound = image.shape == "head" and image.fate in {"whole", "copied"}
        t1w = image.description not in {"Axial T2-FLAIR", "Localizer"}
        status, reason = verdicts.loc[str(image.image_id)]
        assert status == "excluded" or (sound and t1w)
        if image.fate == "differs":
            assert reason == "conflicting_copies"
    shutil.rmtree(folder)


def test_a_download_without_images_is_one_readable_error(archive, ingest, tmp_path):
    with pytest.raises(UserError, match=str(archive.root)):
        ingest(archive.root, tmp_path / "results")
