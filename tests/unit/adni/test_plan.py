import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ldae.adni.plan import plan_download
from ldae.config import Matching, Selection
from ldae.imaging.storage import Storage
from ldae.tables import CANDIDATES, PLANNED, read_table, write_table

MATCHING = Matching(near_days=90, distant_days=183, bracket_days=400)
VISITS = [
    {"RID": "295", "VISCODE": "bl", "EXAMDATE": "2011-03-20", "DX": "CN"},
    {"RID": "295", "VISCODE": "m12", "EXAMDATE": "2012-03-01", "DX": "MCI"},
]
METADATA = """\
<idaxs xmlns="http://ida.loni.usc.edu"><project xmlns=""><subject>
<subjectIdentifier>{ptid}</subjectIdentifier><researchGroup>EMCI</researchGroup><study><series>
<seriesIdentifier>{series_id}</seriesIdentifier><dateAcquired>{when}</dateAcquired></series>
<imagingProtocol><imageUID>{image_id}</imageUID><description>{description}</description>
<protocolTerm><protocol term="Acquisition Plane">SAGITTAL</protocol>
<protocol term="Acquisition Type">3D</protocol><protocol term="Matrix Z">{slices}</protocol>
</protocolTerm></imagingProtocol></study></subject></project></idaxs>
"""


@pytest.fixture
def download(tmp_path):
    folder = tmp_path / "download"
    folder.mkdir()
    return folder


@pytest.fixture
def plan(limits, download):
    def make(folder=download, **changes):
        rule = Selection.model_validate(limits.model_dump() | changes)
        with Storage(folder) as storage:
            return plan_download(storage, selection=rule, matching=MATCHING)

    return make


def write_csv(path: Path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, sorted({name for row in rows for name in row}))
        table.writeheader()
        table.writerows(rows)


def adnimerge(folder, visits=VISITS, ptid="002_S_0295"):
    same = {"PTID": ptid, "EXAMDATE_bl": "2011-03-20", "AGE": "75.5", "PTGENDER": "Male"}
    write_csv(folder / "ADNIMERGE.csv", [same | {"ORIGPROT": "ADNI2"} | visit for visit in visits])


def image_list(folder, *rows):
    same = {"Subject": "002_S_0295", "Modality": "MRI", "Description": "MPRAGE", "Group": "CN"}
    same |= {"Sex": "M", "Age": "75", "Visit": "1", "Type": "Original", "Acq Date": "3/14/2011"}
    write_csv(folder / "mine_2_13_2018.csv", [same | {"Format": "DCM"} | row for row in rows])


def metadata(folder, image_id, **said):
    said = {
        "ptid": "002_S_0295",
        "series_id": image_id + 5000,
        "when": "2011-03-14 16:12:08.0",
        "description": "MPRAGE",
        "slices": "",
    } | said
    path = folder / f"metadata/ADNI_{said['ptid']}_MPRAGE_I{image_id}.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(METADATA.format(image_id=image_id, **said))


def by_id(plan):
    frame = plan.planned.astype(object)
    return frame.where(frame.notna(), None).set_index("image_id")


def reasons(plan):
    return dict(by_id(plan)["reason"])


def test_every_image_has_one_row_and_t1w_images_know_their_day(plan, download, write_series):
    write_series(image_id=101)
    write_series(image_id=102, description="MPRAGE Repeat", series_number=3)
    write_series(image_id=103, description="3-plane localizer", slices=range(3))
    write_series(image_id=104, when="2012-03-11 09:00:00", leaf="S5104")
    write_series(image_id=105, description="MPRAGE", slices=range(3))
    write_series(image_id=201, ptid="100_S_10029", when="2024-04-20 10:00:00", root="more/ADNI")
    adnimerge(download)
    made = plan()
    images = by_id(made)
    assert reasons(made) == {
        101: None,
        102: None,
        103: "not_t1w",
        104: None,
        105: "too_few_slices",
        201: None,
    }
    known = images[["session_id", "rank", "age", "age_source", "sex", "diagnosis"]]
    assert {image_id: tuple(row) for image_id, row in known.iterrows()} == {
        101: ("ses-M000", 0, 75.48, "ADNIMERGE", "M", "CN"),
        102: ("ses-M000", 1, 75.48, "ADNIMERGE", "M", "CN"),
        103: (None,) * 6,
        104: ("ses-M012", 0, 76.48, "ADNIMERGE", "M", "MCI"),
        105: ("ses-M000", None, 75.48, "ADNIMERGE", "M", "CN"),
        201: ("ses-M000", 0, 78, "image header", "M", None),
    }
    assert set(images["sex_source"].dropna()) == {"ADNIMERGE", "image header"}
    assert images.loc[201, "participant_id"] == "sub-ADNI100S10029"
    assert images["place"].is_unique
    assert list(images["files"]) == [12, 12, 3, 12, 3, 12]


def test_candidates_are_the_images_without_a_reason_by_session_and_rank(plan, write_series):
    write_series(image_id=102)
    write_series(image_id=101, description="MPRAGE Repeat")
    write_series(image_id=103, description="FLAIR")
    write_series(image_id=104, when="2012-03-11 09:00:00")
    made = plan()
    found = made.candidates[["image_id", "session_id", "rank"]].to_numpy().tolist()
    assert found == [[102, "ses-M000", 0], [101, "ses-M000", 1], [104, "ses-M012", 0]]
    images = by_id(made)
    for row in made.candidates.itertuples():
        assert row.place == images.loc[row.image_id, "place"] == row.files[0]
        assert len(row.files) == images.loc[row.image_id, "files"]
    assert set(made.planned["place"][made.planned["reason"].isna()]) == set(
        made.candidates["place"]
    )


def test_standings_tell_what_an_image_lost_on_against_any_other(plan, write_series):
    write_series(image_id=101)
    write_series(image_id=102, description="MPRAGE Repeat")
    write_series(image_id=103, description="Accelerated Sagittal MPRAGE Repeat")
    standing = by_id(plan())["standing"].map(json.loads)

    def lost_on(loser, winner):
        return next(k for k, value in standing[loser].items() if value != standing[winner][k])

    assert lost_on(102, 101) == lost_on(103, 101) == "repeat"
    assert lost_on(103, 102) == "accelerated"


@pytest.mark.parametrize(
    ("left", "source", "acquired"),
    [
        (5, "metadata", "2011-01-01T08:00:00"),
        (4, "image header", "2011-01-02T09:00:00"),
        (3, "date folder", "2011-01-03T10:00:00"),
        (2, "image list", "2011-01-04T00:00:00"),
        (1, "MRIQC", "2011-01-05T00:00:00"),
        (0, None, None),
    ],
)
def test_the_nearest_witness_of_the_date_is_believed(
    plan, download, write_series, left, source, acquired
):
    tags = {"AcquisitionDate": "20110102", "AcquisitionTime": "090000"}
    if left < 4:
        tags = dict.fromkeys([*tags, "StudyDate", "StudyTime"])
    folder = None if left >= 3 else download / "002_S_0295/MPRAGE/I101"
    write_series(image_id=101, when="2011-01-03 10:00:00", tags=tags, folder=folder)
    if left >= 5:
        metadata(download, 101, when="2011-01-01 08:00:00.0")
    if left >= 2:
        image_list(download, {"Image Data ID": "I101", "Acq Date": "1/04/2011"})
    if left >= 1:
        row = {"image_id": "101", "ParticipantID": "002_S_0295", "StudyDate": "2011-01-05"}
        write_csv(download / "MRIQC.csv", [row | {"SlicesPerVolume": "12"}])
    image = by_id(plan()).loc[101]
    assert (image["acquired_source"], image["acquired"]) == (source, acquired)
    flags = (image["flags"] or "").split("|")
    assert ("date_sources_differ" in flags) == (left >= 3)  # the list's and MRIQC's are near
    assert image["reason"] == (None if source else "no_acquisition_date")


def test_a_day_between_sources_is_no_disagreement(plan, write_series):
    write_series(tags={"AcquisitionDate": "20110315"})
    assert "date_sources_differ" not in (by_id(plan()).loc[1001, "flags"] or "")


@pytest.mark.parametrize(
    ("quality", "reason"), [("require", "failed_archive_quality"), ("ignore", None)]
)
def test_images_that_failed_the_archives_control(plan, download, write_series, quality, reason):
    write_series(image_id=101)
    write_series(image_id=102, description="MPRAGE Repeat")
    rows = [
        {"RID": "295", "loni_image": f"I{n}", "series_quality": q, "series_selected": "0"}
        for n, q in ((101, "4"), (102, "2"))
    ]
    write_csv(
        download / "MAYOADIRL_MRI_IMAGEQC_12_08_15.csv", [r | {"series_type": "T1"} for r in rows]
    )
    made = plan(archive_quality=quality)
    assert reasons(made) == {101: reason, 102: None}
    assert by_id(made).loc[102, "rank"] == 0
    assert by_id(made).loc[101, "session_id"] == "ses-M000"
    if reason is None:
        assert by_id(made).loc[101, "rank"] == 1


def test_a_series_that_is_not_whole_is_left_to_conversion_with_what_is_expected(
    plan, download, write_series
):
    write_series(image_id=101, slices=range(8))
    write_series(image_id=102, slices=range(8), when="2012-03-14 10:00:00")
    metadata(download, 101, slices="12")
    made = plan()
    assert reasons(made) == {101: None, 102: "too_few_slices"}
    (row,) = made.candidates.itertuples()
    assert (row.slices, row.slices_source) == (12, "metadata")


@pytest.mark.parametrize("prefer", ["original", "processed"])
def test_original_and_processed_of_one_series_are_in_one_session(
    plan, download, write_series, prefer
):
    write_series(image_id=101)  # of series 5101
    leaf = download / "ADNI/002_S_0295/MPR____N3__Scaled/2012-05-30_10_00_00.0/S5101"
    leaf.mkdir(parents=True)
    (leaf / f"ADNI_002_S_0295_MR_MPR____N3__Scaled_Br_{20120511095524148}_S5101_I102.nii").touch()
    images = by_id(plan(prefer=prefer))
    assert list(images["session_id"]) == ["ses-M000"] * 2
    assert list(images["kind"]) == ["original", "processed"]
    assert list(images["rank"]) == ([0, 1] if prefer == "original" else [1, 0])
    assert images.loc[102, "acquired"] == images.loc[101, "acquired"]
    assert "date_sources_differ" in images.loc[102, "flags"]


def test_a_series_id_that_exams_share_by_mistake_does_not_join_them(plan, download, write_series):
    for image_id, when in ((101, "2011-03-14 16:12:08"), (102, "2012-03-14 16:12:08")):
        for path in write_series(image_id=image_id, when=when):
            path.rename(path.with_name(path.name.replace(f"S{image_id + 5000}", "S9")))
    assert list(by_id(plan())["session_id"]) == ["ses-M000", "ses-M012"]


def test_of_two_field_strengths_in_one_session_the_preferred_is_taken(plan, write_series):
    write_series(image_id=101)
    write_series(image_id=102, when="2011-03-20 16:12:08", tags={"MagneticFieldStrength": 1.494})
    assert list(by_id(plan(prefer_tesla=1.5))["rank"]) == [1, 0]
    assert list(by_id(plan(prefer_tesla=3.0))["rank"]) == [0, 1]
    assert list(by_id(plan(prefer_tesla=None))["rank"]) == [0, 1]


def test_faults_of_the_inventory_are_reasons(plan, download, write_series):
    first, *_ = write_series(image_id=101)
    copy = download / "again" / first.relative_to(download)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"other")
    (download / "bad.zip").write_bytes(b"no zip")
    (download / "002_S_0413/MPRAGE/2011-03-14_16_12_08.0/S7").mkdir(parents=True)
    rows = plan().planned.set_index("reason")
    assert set(rows.index) == {"conflicting_copies", "unreadable_archive", "empty_folder"}
    assert "again/ADNI" in rows.loc["conflicting_copies", "detail"]
    assert set(rows["format"]) == {"DICOM", "other"}
    assert rows.loc["empty_folder", "subject"] == "002_S_0413"
    assert rows["session_id"].isna().all()


def test_only_headers_of_t1w_images_are_read(plan, write_series, monkeypatch):
    write_series(image_id=101)
    write_series(image_id=102, description="Axial DTI")
    read = []
    original = Storage.open
    monkeypatch.setattr(
        Storage, "open", lambda self, file: read.append(file) or original(self, file)
    )
    plan()
    assert len(read) == 1
    assert "I101" in read[0]


def test_a_zip_gives_the_same_plan_as_its_folder(plan, download, write_series):
    write_series(image_id=101)
    write_series(image_id=102, when="2012-03-11 09:00:00", leaf="S7")
    adnimerge(download)
    unpacked = plan().planned
    zips = download.with_name("zips")
    zips.mkdir()
    shutil.make_archive(str(zips / "ADNI"), "zip", download)
    packed = plan(zips).planned
    assert (packed["place"] == "ADNI.zip::" + unpacked["place"]).all()
    assert packed.drop(columns="place").equals(unpacked.drop(columns="place"))


def test_the_same_download_gives_the_same_bytes(plan, tmp_path, write_series):
    for number, description in enumerate(["MPRAGE", "MPRAGE Repeat", "FLAIR"]):
        write_series(image_id=101 + number, description=description)
    for run in ("one", "two"):
        made = plan()
        write_table(made.planned, tmp_path / run / "planned", PLANNED)
        write_table(made.candidates, tmp_path / run / "candidates", CANDIDATES)
    for name in ("planned", "candidates"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again = read_table(tmp_path / "one/planned", PLANNED)
    assert again.equals(plan().planned)


def test_metadata_knows_the_group_of_enrolment_where_no_table_does(plan, download, write_series):
    write_series(image_id=101)
    metadata(download, 101)
    assert by_id(plan()).loc[101, "diagnosis_baseline"] == "EMCI"
    adnimerge(download, [visit | {"DX_bl": "LMCI"} for visit in VISITS])
    assert by_id(plan()).loc[101, "diagnosis_baseline"] == "LMCI"


def test_an_empty_download_is_an_empty_plan(plan, tmp_path):
    made = plan()
    assert list(made.planned.columns) == PLANNED.names
    assert len(made.planned) == len(made.candidates) == 0
    write_table(made.candidates, tmp_path / "candidates", CANDIDATES)


def test_damaged_headers_are_left_to_conversion(plan, write_series):
    for path in write_series():
        path.write_bytes(b"broken")
    image = by_id(plan()).loc[1001]
    assert (image["reason"], image["rank"]) == (None, 0)
    assert image["acquired_source"] == "date folder"


def test_whole_numbers_stay_whole(plan, write_series):
    write_series(image_id=11179993)
    row = plan().planned.iloc[0]
    assert row["image_id"] == 11179993
    assert isinstance(row["image_id"], (int, np.integer))
