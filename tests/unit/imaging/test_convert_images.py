import gzip
import shutil

import nibabel as nib
import pandas as pd
import pytest

from ldae.config import Cohort
from ldae.errors import UserError
from ldae.imaging.storage import INSIDE
from ldae.stages.convert_images import Settings, convert_images
from ldae.tables import CANDIDATES, CONVERTED, read_table, write_table

T1W = "sub-ADNI002S0295/ses-M000/anat/sub-ADNI002S0295_ses-M000_T1w.nii.gz"
GAP = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


@pytest.fixture
def run(tmp_path, download, limits):
    """Converts `images`: rows of a bucket, or lists of files; returns the table."""

    def convert(*images, source="adni", root=download):
        rows = [
            dict.fromkeys(CANDIDATES.names)
            | {"participant_id": "sub-ADNI002S0295", "session_id": "ses-M000", "format": "DICOM"}
            | {"rank": rank, "place": image["files"][0]}
            | image
            for rank, image in enumerate(images)
        ]
        bucket, table = tmp_path / "bucket.parquet", tmp_path / "table.parquet"
        write_table(pd.DataFrame(rows, columns=CANDIDATES.names), bucket, CANDIDATES)
        cohort = Cohort(source=source, download=None)
        settings = Settings(cohort=cohort, selection=limits)
        convert_images(
            bucket=bucket, download=root, bids=tmp_path / "bids", table=table, settings=settings
        )
        return read_table(table, CONVERTED)

    return convert


@pytest.fixture
def row(download):
    def of(files, **known):
        spelled = [
            file if isinstance(file, str) else file.relative_to(download).as_posix()
            for file in files
        ]
        return {"files": spelled} | known

    return of


def test_the_best_image_that_converts_is_used(write_series, run, row, tmp_path):
    images = [
        row(write_series(image_id=1, slices=GAP), image_id=1),
        row(write_series(image_id=2, description="MPRAGE Repeat"), image_id=2),
        row(write_series(image_id=3), image_id=3),
    ]
    table = run(*images)
    assert list(table["image_id"]) == [1, 2]
    assert list(table["reason"].fillna("")) == ["missing_slices", ""]
    assert list(table["detail"].fillna("")) == ["11 of 12 slices", ""]
    assert list(table["image"].fillna("")) == ["", T1W]
    assert list(table["place"]) == [image["files"][0] for image in images[:2]]
    assert table["field_strength"][1] == 3.0
    assert table["manufacturer"][1] == "Siemens"
    assert nib.load(tmp_path / "bids" / T1W).shape == (12, 16, 14)


def test_sessions_are_independent_and_in_order(write_series, run, row):
    other = {"session_id": "ses-M012"}
    table = run(
        row(write_series(image_id=1), image_id=1) | other,
        row(write_series(image_id=2, slices=GAP), image_id=2) | {"participant_id": "sub-A"},
        row(write_series(image_id=3), image_id=3),
    )
    keys = list(zip(table["participant_id"], table["session_id"], table["image_id"], strict=True))
    assert keys == [
        ("sub-A", "ses-M000", 2),
        ("sub-ADNI002S0295", "ses-M000", 3),
        ("sub-ADNI002S0295", "ses-M012", 1),
    ]
    assert list(table["image"].notna()) == [False, True, True]


def test_a_session_without_a_usable_image_leaves_no_file(write_series, run, row, tmp_path):
    images = [row(write_series(image_id=n, slices=GAP), image_id=n) for n in (1, 2)]
    assert list(run(*images)["reason"]) == ["missing_slices"] * 2
    assert not (tmp_path / "bids").exists()


def test_an_image_that_has_gone_bad_is_taken_away(write_series, run, row, tmp_path):
    files = write_series()
    assert run(row(files))["image"].notna().all()
    files[4].write_bytes(b"")
    assert run(row(files))["reason"].tolist() == ["unreadable_dicom"]
    assert not [path for path in (tmp_path / "bids").rglob("*") if path.is_file()]


def test_a_second_run_changes_nothing(write_series, run, row, tmp_path):
    images = [row(write_series(image_id=1, slices=GAP)), row(write_series(image_id=2))]
    run(*images)
    before = (tmp_path / "table.parquet").read_bytes()
    stood = (tmp_path / "bids" / T1W).stat()
    run(*images)
    assert (tmp_path / "table.parquet").read_bytes() == before
    assert (tmp_path / "bids" / T1W).stat() == stood


def test_the_number_of_slices_by_a_table_is_held_against_the_image(write_series, run, row):
    table = run(row(write_series(), slices=20, slices_source="MRIQC"), row(write_series()))
    assert list(table["reason"].fillna("")) == ["truncated", ""]
    assert table["detail"][0] == "12 of 20 slices by MRIQC"


def test_the_largest_image_is_a_setting(write_series, run, row, download):
    files = write_series()
    big = files[0].with_name("big.dcm")
    with big.open("wb") as file:
        file.truncate(10**6)
    assert run(row([*files, big]))["reason"].tolist() == ["too_large"]


def test_images_of_an_archive_do_not_need_it_any_more(write_nifti, run, row, tmp_path, download):
    path = write_nifti()
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    table = run(row([path.with_suffix(".nii.gz")], format="NIfTI"))
    assert table["reason"].isna().all()
    shutil.rmtree(download)
    assert nib.load(tmp_path / "bids" / T1W).get_fdata().any()


def test_own_data_are_linked(write_nifti, run, row, tmp_path, download):
    path = write_nifti()
    packed = path.with_suffix(".nii.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.with_suffix(".json").write_text('{"MagneticFieldStrength": 1.494, "Manufacturer": ["?"]}')
    table = run(row([packed], format="NIfTI"), source="bids")
    assert (tmp_path / "bids" / T1W).readlink() == packed
    assert table["field_strength"].tolist() == [1.5]
    assert table["manufacturer"].isna().all()


def test_own_data_may_be_a_list_of_paths(write_series, run, row, download):
    files = [str(path) for path in write_series()]
    (download / "scans.csv").write_text("subject,path\n")
    assert run(row(files), source="bids", root=download / "scans.csv")["reason"].isna().all()


def test_images_in_zips_are_converted(write_series, run, download, pack):
    pack(write_series(slices=range(6)), download / "a.zip")
    pack(write_series(slices=range(6, 12)), download / "b.zip")
    names = {
        name: [
            f"ADNI/ADNI_002_S_0295_MR_MPRAGE_br_raw_20120511095524148_{n}_S6001_I1001.dcm"
            for n in numbers
        ]
        for name, numbers in {"a": range(6), "b": range(6, 12)}.items()
    }
    files = [f"{name}.zip{INSIDE}{file}" for name, inside in names.items() for file in inside]
    assert run({"files": files})["reason"].isna().all()


def test_an_empty_bucket_gives_an_empty_table(run):
    assert len(run()) == 0


def test_a_download_that_is_gone_ends_the_run(run, row, tmp_path):
    with pytest.raises(UserError, match="not there any more"):
        run({"files": ["a.dcm"]}, root=tmp_path / "gone")
