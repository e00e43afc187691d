"""The stage as a whole, on downloads of real DICOM files."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nibabel as nib
import pandas as pd
import pytest

from ldae.config import Cohort, Selection
from ldae.errors import UserError
from ldae.stages.ingest import Settings, _write_buckets, ingest
from ldae.tables import INGESTED, read_table, read_tsv

IMAGE_LIST = (
    '"Image Data ID","Subject","Group","Sex","Age","Visit","Modality","Description","Type",'
    '"Acq Date","Format","Downloaded"\n'
)
ADNIMERGE = """\
"RID","PTID","VISCODE","EXAMDATE","EXAMDATE_bl","DX","AGE","PTGENDER"
"295","002_S_0295","bl","2011-03-20","2011-03-20","CN","75.5","Male"
"295","002_S_0295","m12","2012-03-01","2011-03-20","MCI","75.5","Male"
"413","002_S_0413","bl","2011-05-02","2011-05-02","MCI","70.1","Female"
"""
DXSUM = """\
"PHASE","PTID","RID","VISCODE","VISCODE2","EXAMDATE","DIAGNOSIS"
"ADNI2","002_S_0413","413","v11","m12","2012-05-20","3"
"""


@pytest.fixture
def download(tmp_path, write_series):
    """Two participants with four sessions, among images that are not to be used."""
    repeat = "MPRAGE Repeat"
    write_series(image_id=101)
    write_series(image_id=102, description=repeat, series_number=3)
    write_series(image_id=103, description="3-plane localizer", slices=range(3))
    write_series(image_id=104, when="2012-03-11 09:00:00", leaf="S5104")
    write_series(image_id=201, ptid="002_S_0413", when="2011-04-20 10:00:00", root="more/ADNI")
    broken = write_series(image_id=202, ptid="002_S_0413", when="2012-05-11 10:00:00")[4]
    broken.write_bytes(broken.read_bytes()[:500])
    write_series(image_id=203, ptid="002_S_0413", when="2012-05-11 10:09:00", description=repeat)
    write_series(image_id=204, ptid="002_S_0413", description="MPRAGE scout run", slices=range(3))
    write_series(image_id=205, ptid="002_S_0413", description="MPRAGE", slices=range(3))
    folder = tmp_path / "download"
    (folder / "tables").mkdir()
    (folder / "tables" / "ADNIMERGE_18Feb2025.csv").write_text(ADNIMERGE)
    (folder / "tables" / "All_Subjects_DXSUM_07Sep2025.csv").write_text(DXSUM)
    return folder


def settings(*, fraction=0.05, prefer="original", source="synthetic"):
    return Settings(
        cohort=Cohort(source=source, download=None, max_failed_fraction=fraction),
        selection=Selection(prefer=prefer, min_slices=10, max_voxel_mm=12.0, min_extent_mm=100.0),
    )


def run(download, results, chosen=None, *, scans_per_job=1):
    ingest(
        download=download,
        bids=results / "bids",
        images=results / "images.tsv",
        ingested=results / "ingested.parquet",
        buckets=results / "buckets",
        scans_per_job=scans_per_job,
        workers=2,
        settings=chosen or settings(),
    )
    return results


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_download_becomes_scans_that_know_their_day(download, tmp_path):
    results = run(download, tmp_path / "results")
    scans = read_table(results / "ingested.parquet", INGESTED)
    known = scans[["participant_id", "session_id", "image_id", "age", "sex", "diagnosis"]]
    assert known.to_numpy().tolist() == [
        ["sub-ADNI002S0295", "ses-M000", 101, 75.48, "M", "CN"],
        ["sub-ADNI002S0295", "ses-M012", 104, 76.48, "M", "MCI"],
        ["sub-ADNI002S0413", "ses-M000", 201, 70.07, "F", "MCI"],
        ["sub-ADNI002S0413", "ses-M012", 203, 71.13, "F", "AD"],
    ]
    assert list(scans["diagnosis_source"]) == ["ADNIMERGE", "ADNIMERGE", "ADNIMERGE", "DXSUM"]
    assert list(scans["diagnosis_offset_days"]) == [6, -10, 12, 9]
    assert set(scans["field_strength"]) == {3.0}
    for image in scans["image"]:
        assert nib.load(results / "bids" / image).shape == (12, 16, 14)


def test_every_image_has_one_row_that_says_used_or_why_not(download, tmp_path):
    images = read_tsv(run(download, tmp_path / "results") / "images.tsv")
    verdicts = {
        int(row.image_id): (row.status, row.reason)
        for row in images.astype(object).where(images.notna(), None).itertuples()
    }
    assert verdicts == {
        101: ("used", None),
        102: ("excluded", "not_selected:repeat"),
        103: ("excluded", "not_t1w"),
        104: ("used", None),
        201: ("used", None),
        202: ("excluded", "unreadable_dicom"),
        203: ("used", None),
        204: ("excluded", "not_t1w"),
        205: ("excluded", "too_few_slices"),
    }
    details = images.set_index("image_id")["detail"]
    assert details["203"] == "used in place of I202: unreadable_dicom"
    assert details["202"].endswith("I203 is used instead")
    assert Counter(images["files"].astype(int)) == {12: 6, 3: 3}
    assert images["image"].notna().sum() == 4


@pytest.mark.skipif(
    not shutil.which("bids-validator-deno", path=Path(sys.executable).parent),
    reason="bids-validator-deno is not installed",
)
@pytest.mark.parametrize("source", ["adni", "synthetic"])
def test_the_dataset_is_valid_bids(download, tmp_path, source):
    results = run(download, tmp_path / "results", settings(source=source))
    validator = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run(
        [validator, "--format", "json", results / "bids"], capture_output=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_the_same_download_gives_the_same_bytes(download, tmp_path):
    first = tree(run(download, tmp_path / "first"))
    moved = download.rename(tmp_path / "elsewhere")
    for file in moved.rglob("*.dcm"):
        os.utime(file, (0, 0))
    assert tree(run(moved, tmp_path / "second")) == first


def test_without_any_table_scans_are_kept_and_what_is_unknown_is_missing(download, tmp_path):
    shutil.rmtree(download / "tables")
    scans = read_table(run(download, tmp_path / "results") / "ingested.parquet", INGESTED)
    assert list(scans["session_id"]) == ["ses-M000", "ses-M012"] * 2
    assert scans["diagnosis"].isna().all()
    assert set(scans["age_source"]) == {"image header"}


def test_processed_images_are_known_from_the_image_list_and_can_be_preferred(download, tmp_path):
    (download / "my_collection_2_13_2018.csv").write_text(
        IMAGE_LIST
        + '"I101","002_S_0295","CN","M","75","4","MRI","MPRAGE","Original","3/14/2011","DCM",""\n'
        + '"I102","002_S_0295","CN","M","75","4","MRI","MPR; N3","Processed","3/14/2011","DCM",""\n'
    )
    results = run(download, tmp_path / "results", settings(prefer="processed"))
    images = read_tsv(results / "images.tsv").set_index("image_id")
    assert images.loc["102", "status"] == "used"
    assert images.loc["101", "reason"] == "not_selected:original"
    assert images.loc["102", "description"] == "MPR; N3"


def test_buckets_hold_every_scan_once_and_whole_participants(download, tmp_path):
    results = run(download, tmp_path / "results")
    buckets = {path.stem: read_tsv(path) for path in (results / "buckets").glob("*.tsv")}
    scans = read_table(results / "ingested.parquet", INGESTED)
    dealt = sorted(row for table in buckets.values() for row in table.itertuples(index=False))
    columns = ["participant_id", "session_id", "image", "image_sha256"]
    assert dealt == sorted(scans[columns].itertuples(index=False, name="Pandas"))
    owners = [(who, name) for name, table in buckets.items() for who in set(table.participant_id)]
    assert len(owners) == 2
    assert set("".join(buckets)) <= set("0123456789abcdef")


def test_a_new_participant_leaves_other_buckets_alone(download, tmp_path, write_series):
    before = tree(run(download, tmp_path / "before", scans_per_job=4) / "buckets")
    write_series(image_id=301, ptid="100_S_10029", when="2022-03-11 09:00:00")
    after = tree(run(download, tmp_path / "after", scans_per_job=5) / "buckets")
    assert list(before) == list(after) == ["0000.tsv"]
    assert set(before["0000.tsv"].splitlines()) < set(after["0000.tsv"].splitlines())


def test_buckets_keep_their_names_and_share_participants_when_they_double(tmp_path):
    scans = pd.DataFrame({"participant_id": [f"sub-{n}" for n in range(200)]})
    scans = scans.assign(session_id="ses-M000", image="", image_sha256="")

    def deal(scans_per_job):
        folder = tmp_path / str(scans_per_job)
        folder.mkdir()
        _write_buckets(scans, folder, scans_per_job)
        return {path.stem: set(read_tsv(path)["participant_id"]) for path in folder.iterdir()}

    few, many = deal(13), deal(7)
    assert (len(few), len(many)) == (16, 32)
    for bucket, people in few.items():
        new = f"{int(bucket, 16) + 0x800:04x}"
        assert many[bucket] | many[new] == people


def lose_a_slice(download, series):
    sorted(download.glob(f"{series}/*/*.dcm"))[3].unlink()


LOST = ["ADNI/002_S_0295/MPRAGE/2012*", "more/ADNI/002_S_0413/MPRAGE/*"]  # I104 and I201


def test_losing_too_many_sessions_stops_the_run_and_says_why(download, tmp_path, caplog):
    for series in LOST:
        lose_a_slice(download, series)
    results = tmp_path / "results"
    with pytest.raises(UserError, match=r"2 of 4 sessions.*2 missing_slices.*I104, I201.*0\.05"):
        run(download, results)
    for failed in ("I104: missing_slices", "I201: missing_slices", "I202: unreadable_dicom"):
        assert failed in caplog.text
    assert list(tree(results)) == ["images.tsv"]
    reasons = read_tsv(results / "images.tsv").set_index("image_id")["reason"]
    assert list(reasons[["104", "201"]]) == ["missing_slices"] * 2
    run(download, results, settings(fraction=0.5))
    assert len(read_table(results / "ingested.parquet", INGESTED)) == 2


def test_one_lost_session_does_not_stop_a_small_download(download, tmp_path):
    lose_a_slice(download, LOST[0])
    results = run(download, tmp_path / "results")
    assert len(read_table(results / "ingested.parquet", INGESTED)) == 3


def test_a_download_of_lost_sessions_alone_is_one_readable_error(tmp_path, write_series):
    write_series()[3].unlink()
    with pytest.raises(UserError, match=r"1 of 1 sessions.*1 missing_slices.*I1001"):
        run(tmp_path / "download", tmp_path / "results", settings(fraction=1.0))


def test_a_nifti_of_no_known_data_type_is_a_row(tmp_path, write_series, write_nifti):
    write_series(when="2012-03-11 09:00:00")
    path = write_nifti(image_id=301)
    content = bytearray(path.read_bytes())
    content[70:72] = (9999).to_bytes(2, "little")
    path.write_bytes(content)
    results = run(tmp_path / "download", tmp_path / "results")
    images = read_tsv(results / "images.tsv").set_index("image_id")
    assert images.loc["301", "reason"] == "unreadable_nifti"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such folder"),
        (
            lambda folder: [shutil.rmtree(path) for path in folder.iterdir()],
            "no image of the archive",
        ),
        (
            lambda folder: [shutil.rmtree(path) for path in folder.rglob("MPRAGE*")],
            "none of 1 images is a T1-weighted",
        ),
    ],
)
def test_a_download_without_scans_is_one_readable_error(download, tmp_path, spoil, message):
    spoil(download)
    with pytest.raises(UserError, match=message):
        run(download, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_zips_that_were_not_unpacked_are_named(tmp_path):
    folder = tmp_path / "download"
    folder.mkdir()
    (folder / "ADNI1.zip").touch()
    with pytest.raises(UserError, match="unpack the 1 zip"):
        run(folder, tmp_path / "results")


def test_a_run_that_breaks_off_leaves_nothing_that_looks_finished(download, tmp_path, monkeypatch):
    def fail(*_args, **_keywords):
        raise OSError("disk full")

    monkeypatch.setattr("ldae.stages.ingest.write_dataset", fail)
    with pytest.raises(OSError, match="disk full"):
        run(download, tmp_path / "results")
    assert list(tree(tmp_path / "results")) == ["images.tsv"]
    monkeypatch.undo()
    run(download, tmp_path / "results")


def test_the_readme_of_the_dataset_is_true_of_either_format(download, tmp_path):
    text = (run(download, tmp_path / "results") / "bids/README.md").read_text()
    assert "DICOM images\nwere converted by dcm2niix, NIfTI images copied" in text
