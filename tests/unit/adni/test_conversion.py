import gzip
import json
from datetime import datetime

import nibabel as nib
import numpy as np
import pytest

from ldae.adni.conversion import convert_session
from ldae.adni.headers import read_header
from ldae.adni.inventory import take_inventory
from ldae.adni.selection import Candidate, normalise
from ldae.runtime import sha256


@pytest.fixture
def convert(tmp_path, limits):
    """Converts the images of the download as the candidates of one session, by image id."""

    def run(name="T1w", **changes):
        download = tmp_path / "download"
        ranked = [
            Candidate(
                image=image,
                name=normalise(image.description),
                processed=False,
                header=read_header(image, download),
                row={},
                acquired=datetime(2011, 3, 14),
                date_source="image header",
                participant_id="sub-ADNI002S0295",
                rid=295,
                months=0,
            )
            for image in take_inventory(download).images
        ]
        target = tmp_path / "bids" / f"{name}.nii.gz"
        rule = limits.model_copy(update=changes)
        return convert_session(ranked, target, download=download, limits=rule), target

    return run


def test_two_conversions_give_the_same_bytes(write_series, convert):
    write_series()
    (first, one), (second, two) = convert("one"), convert("two")
    assert one.read_bytes() == two.read_bytes()
    assert first.sha256 == second.sha256 == sha256(one)
    assert json.loads(one.with_name("one.json").read_text()) == first.sidecar


def test_the_next_candidate_is_taken_when_the_first_does_not_convert(write_series, convert):
    broken = write_series(image_id=1)[3]
    broken.write_bytes(broken.read_bytes()[:300])
    write_series(image_id=2, description="MPRAGE Repeat")
    result, target = convert()
    assert result.scan.image.image_id == 2
    assert [(c.image.image_id, why.reason) for c, why in result.failures] == [
        (1, "unreadable_dicom")
    ]
    assert target.is_file()


def test_a_session_without_a_usable_image_leaves_no_file(write_series, convert):
    for image_id in (1, 2):
        write_series(image_id=image_id, slices=[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
    result, target = convert()
    assert result.scan is None
    assert [why.reason for _, why in result.failures] == ["missing_slices"] * 2
    assert not target.parent.exists()


def test_limits_hold_for_what_only_conversion_shows(write_series, convert):
    write_series()
    result, _ = convert(min_extent_mm=125.0)  # 12 slices of 10 mm
    assert [why.reason for _, why in result.failures] == ["field_of_view_too_small"]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_nifti_download_is_kept_voxel_by_voxel(write_nifti, convert, compressed):
    path = write_nifti()
    original = nib.Nifti1Image.from_bytes(path.read_bytes())
    if compressed:
        path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    result, target = convert()
    np.testing.assert_array_equal(nib.load(target).get_fdata(), original.get_fdata())
    np.testing.assert_array_equal(nib.load(target).affine, original.affine)
    assert result.failures == ()
    assert target.with_name("T1w.json").is_file()


def test_a_truncated_nifti_is_unreadable(write_nifti, convert):
    path = write_nifti()
    path.write_bytes(path.read_bytes()[:-1])
    result, _ = convert()
    assert [why.reason for _, why in result.failures] == ["unreadable_nifti"]


def test_a_truncated_gzip_is_unreadable(write_nifti, convert):
    path = write_nifti()
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes())[:-99])
    path.unlink()
    result, _ = convert()
    assert [why.reason for _, why in result.failures] == ["unreadable_nifti"]


def test_a_nifti_of_several_volumes_is_refused(write_nifti, convert):
    write_nifti(shape=(12, 14, 16, 2))
    result, _ = convert()
    assert [why.reason for _, why in result.failures] == ["several_volumes"]
