"""Acceptance: which image of a download becomes the scan of a session, and why others do not.

Cases by their numbers; those on tables and dates are in test_clinical.py, 15 in test_reruns.py.
"""

import nibabel as nib
import numpy as np
import pytest
from tests.acceptance.archive import Archive, Geometry, voxels
from tests.acceptance.running import steps, words

from ldae.cli import main

FULL = {"min_slices": 120, "max_voxel_mm": 2.0, "min_extent_mm": 150.0}  # the paper's settings


def test_case_01_adni1_exam_with_repeat_in_s_leaves(archive, ingest, tmp_path):
    head = Geometry(slices=166, rows=128, columns=128, thickness=1.2, pixel=1.25)
    scanner = {"Manufacturer": "GE MEDICAL SYSTEMS", "MagneticFieldStrength": 1.5}
    for image_id, description, series_id in [(12, "MPRAGE", 9100), (11, "MPRAGE Repeat", 9099)]:
        archive.series(
            image_id,
            description=description,
            when="2006-04-18 08:20:30",
            series_id=series_id,
            leaf=f"S{series_id}",
            geometry=head,
            tags=scanner,
        )
    done = ingest(archive.root, tmp_path / "results", **FULL)
    assert done.used == {12: "ses-M000"}
    assert done.reasons == {11: "not_selected:repeat"}
    assert "I12" in done.row(11)["detail"]
    anat = done.bids / "sub-ADNI002S0295/ses-M000/anat"
    name = "sub-ADNI002S0295_ses-M000_T1w"
    assert sorted(path.name for path in anat.iterdir()) == [f"{name}.json", f"{name}.nii.gz"]
    image = nib.load(anat / f"{name}.nii.gz")
    # Right-to-left slices, native position: DICOM counts to the left and back, NIfTI the reverse.
    last = 127 * 1.25
    expected = np.diag([1.2, 1.25, 1.25, 1.0])
    expected[:3, 3] = -50.0, 60.0 - last, 70.0 - last
    np.testing.assert_allclose(image.affine, expected, atol=1e-4)
    sagittal = voxels(12, head)  # slices, rows downwards, columns backwards
    np.testing.assert_array_equal(image.dataobj, sagittal[:, ::-1, ::-1].transpose(0, 2, 1))
    scan = done.scan(12)
    assert (scan.field_strength, scan.manufacturer) == (1.5, "GE")


def test_case_02_corrected_twin_is_chosen_in_new_layout(archive, ingest, tmp_path):
    archive.series(21, when="2006-04-18 08:20:30", series_id=9200, leaf="S9200")
    stamp = "2017-03-15 11:23:54"
    twin = "Accelerated Sagittal MPRAGE"
    archive.series(23, description=twin, when=stamp, number=5)
    archive.series(22, description=f"{twin}_ND", when=stamp, number=4)
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {21: "ses-M000", 23: "ses-M132"}  # 130.9 months apart
    assert done.reasons == {22: "not_selected:no_distortion_correction"}


@pytest.mark.parametrize(("prefer", "chosen"), [("original", 41), ("processed", 42)])
def test_case_04_processed_and_raw_nifti_of_one_series(archive, ingest, tmp_path, prefer, chosen):
    scaled = "MPR; ; N3; Scaled"
    files = {
        41: archive.nifti(41, series_id=9400, leaf="S9400"),
        42: archive.nifti(42, description=scaled, series_id=9400, leaf="S9400", processed=True),
    }
    assert files[42].parents[2].name == "MPR____N3__Scaled"
    done = ingest(archive.root, tmp_path / "results", prefer=prefer)
    other = 83 - chosen
    assert done.used == {chosen: "ses-M000"}
    assert done.reasons == {other: f"not_selected:{done.row(other)['kind']}"}
    assert done.row(other)["kind"] != prefer
    assert done.images == ["sub-ADNI002S0295_ses-M000_T1w.nii.gz"]
    image = nib.load(next(done.bids.rglob("*.nii.gz")))
    source = nib.load(files[chosen])
    np.testing.assert_array_equal(image.dataobj, source.dataobj)
    np.testing.assert_array_equal(image.affine, source.affine)
    assert next(done.bids.rglob("*_T1w.json")).is_file()


def test_case_08_five_digit_subject_whose_files_lack_the_image_id(archive, ingest, tmp_path):
    archive.series(
        11179993,
        ptid="100_S_10029",
        description="WIP SOURCE - Accelerated Sagittal MPRAGE (MSV2x)",
        when="2025-04-01 09:10:11",
        tail=False,
    )
    diagnosed = {"VISCODE": "4_bl", "VISCODE2": "bl", "EXAMDATE": "2025-04-11"}
    archive.table(
        "All_Subjects_DXSUM_07Sep2025.csv",
        # 29 is what the last four digits of the subject id would give.
        [{"RID": rid, "DIAGNOSIS": dx} | diagnosed for rid, dx in [("29", "1"), ("10029", "3")]],
    )
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {11179993: "ses-M000"}
    scan = done.scan(11179993)
    assert scan.participant_id == "sub-ADNI100S10029"
    assert (scan.diagnosis, scan.diagnosis_source) == ("AD", "DXSUM")
    assert scan.diagnosis_offset_days == 10


def test_case_09_missing_interior_slice_is_quarantined(archive, ingest, tmp_path):
    archive.series(91, keep=[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
    archive.series(92, when="2012-03-11 09:00:00")
    done = ingest(archive.root, tmp_path / "results", max_failed_fraction=0.05)
    assert done.used == {92: "ses-M012"}
    assert done.reasons == {91: "missing_slices"}
    detail = done.row(91)["detail"]
    assert "12" in detail
    assert "11" in detail
    assert done.images == ["sub-ADNI002S0295_ses-M012_T1w.nii.gz"]


def test_case_09_exit_code_signals_partial_failure(archive, tmp_path):
    for number, when in enumerate(["2011-03-14 16:12:08", "2012-03-11 09:00:00"]):
        archive.series(93 + number, when=when, keep=[*range(5), *range(6, 12)])
    archive.series(95, when="2013-03-11 09:00:00")
    codes = {}
    for name, arguments in steps(archive.root, tmp_path / "results"):
        with pytest.raises(SystemExit) as left:
            main(words(name, arguments, max_failed_fraction=0.05))
        codes[name] = left.value.code
    message = codes.pop("export-bids")
    assert codes == {"index-download": 0, "convert-images": 0}
    assert isinstance(message, str)  # printed by the interpreter, which then exits with 1
    assert "2 missing_slices" in message
    assert "I93" in message


def test_case_10_missing_tail_is_found_by_count_or_by_slab(archive, ingest, tmp_path):
    arrived = {
        "geometry": Geometry(slices=170, rows=128, columns=128, thickness=1.2, pixel=1.25),
        "keep": range(120),
    }
    archive.series(101, ptid="002_S_0101", **arrived)
    archive.metadata(101, ptid="002_S_0101", slices=170)
    archive.series(102, ptid="002_S_0102", **arrived)
    archive.table(
        "MRIQC_28Jan2026.csv",
        [{"image_id": "102", "ParticipantID": "002_S_0102", "SlicesPerVolume": "170"}],
    )
    archive.series(103, ptid="002_S_0103", **arrived)
    archive.series(104, ptid="002_S_0104", **arrived | {"keep": None})
    done = ingest(archive.root, tmp_path / "results", **FULL)
    assert done.used == {104: "ses-M000"}
    assert done.reasons == {101: "truncated", 102: "truncated", 103: "field_of_view_too_small"}
    for image_id in (101, 102):
        assert "120" in done.row(image_id)["detail"]
        assert "170" in done.row(image_id)["detail"]
    assert done.images == ["sub-ADNI002S0104_ses-M000_T1w.nii.gz"]


def test_case_11_copies_in_zips_and_layouts_count_once(archive, ingest, tmp_path):
    download, parts = archive.root, Archive(tmp_path / "parts")
    for number, leaf in enumerate(["S9111", "I111"]):
        parts.series(111, series_id=9111, leaf=leaf)
        last = parts.series(112, ptid="002_S_0112")[-1]
        content = last.read_bytes()
        last.write_bytes(content[:-1] + bytes([content[-1] ^ number]))
        parts.zip(download / f"zips/ADNI1({number}).zip")
    archive.series(111, series_id=9111, top="again/ADNI")
    # A download that broke off and was repeated: part of an image, then all of it.
    parts.series(113, ptid="002_S_0113", keep=range(5))
    parts.zip(download / "zips/part.zip")
    archive.series(113, ptid="002_S_0113")
    done = ingest(download, tmp_path / "results")
    assert done.used == {111: "ses-M000", 113: "ses-M000"}
    assert set(done.reasons) == {112}
    assert set(done.reasons.values()) == {"conflicting_copies"}
    row = done.row(111)
    manifest = f"{row['place']}|{row['copies']}"
    assert row["files"] == "12"
    for part in ("ADNI1(0).zip", "S9111", "ADNI1(1).zip", "I111", "again/ADNI"):
        assert part in manifest
    image = nib.load(next((done.bids / "sub-ADNI002S0113").rglob("*.nii.gz")))
    assert image.shape == (12, 16, 14)
    assert len(done.images) == 2


@pytest.mark.parametrize("layout", ["folders", "one folder"])
def test_case_12_only_the_true_t1w_among_what_resembles_it(archive, ingest, tmp_path, layout):
    scout = {"keep": range(3)}
    series = {
        121: ("MPRAGE", {}),
        122: ("3-plane localizer", scout),
        123: ("QC Phantom MPRAGE", {}),
        124: ("MPRAGE_MPR_Tra", {}),
        125: ("Sagittal 3D FLAIR MPRAGE", {}),
        126: ("MP-RAGE", scout),
    }
    folder = archive.leaf(0, leaf="S9120") if layout == "one folder" else None
    for image_id, (description, more) in series.items():
        archive.series(image_id, description=description, folder=folder, **more)
    (archive.root / "README.txt").write_text("not an image")
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {121: "ses-M000"}
    assert done.reasons == {122: "not_t1w", 123: "not_t1w", 124: "not_t1w", 125: "not_t1w"} | {
        126: "too_few_slices"
    }
    assert len(done.ledger) == len(series)
    assert done.ledger["files"].astype(int).sum() == 4 * 12 + 2 * 3
