import subprocess
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dcm2niix import bin as dcm2niix
from pydicom.dataset import Dataset

from ldae.cohort.dicom import encode_series, localizer_slices, sagittal_slices, uid


def header() -> Dataset:
    series = Dataset()
    series.Modality = "MR"
    series.MRAcquisitionType = "3D"
    series.PatientPosition = "HFS"
    series.SeriesDescription = "MPRAGE"
    series.SeriesNumber = 2
    series.StudyInstanceUID = uid("study")
    series.SeriesInstanceUID = uid("study", 2)
    return series


def volume_of(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)


@pytest.mark.parametrize("voxel_mm", [4.0, 1.25, 0.9375])
def test_dcm2niix_gives_the_volume_back(tmp_path: Path, voxel_mm: float) -> None:
    volume = volume_of((14, 12, 10))
    series = tmp_path / "series"
    series.mkdir()
    files = encode_series(header(), sagittal_slices(volume, voxel_mm), voxel_mm=voxel_mm)
    for number, content in enumerate(files):
        (series / f"{number}.dcm").write_bytes(content)
    subprocess.run([dcm2niix, "-f", "x", "-z", "n", "-o", tmp_path, series], check=True)
    image = nib.load(tmp_path / "x.nii")
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1])
    affine[:3, 3] = -(np.array(volume.shape) - 1) / 2 * voxel_mm
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
    assert sorted(path.name for path in tmp_path.glob("*.nii")) == ["x.nii"]


def test_files_are_valid_dicom_with_tags_in_order() -> None:
    volume = volume_of((3, 5, 7))
    contents = encode_series(header(), sagittal_slices(volume, 2.0), voxel_mm=2.0)
    files = [pydicom.dcmread(BytesIO(content)) for content in contents]
    assert len(files) == 3
    for number, file in enumerate(files, start=1):
        tags = [element.tag for element in file]
        assert tags == sorted(tags)
        assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
        assert number == file.InstanceNumber
        assert list(file.ImageOrientationPatient) == [0, 1, 0, 0, 0, -1]
        assert list(file.ImagePositionPatient) == [2 - 2 * (number - 1), -4, 6]
        assert file.SOPInstanceUID.is_valid
        np.testing.assert_array_equal(file.pixel_array, volume[number - 1, ::-1, ::-1].T)
    assert len({file.SOPInstanceUID for file in files}) == 3
    assert len({file.SeriesInstanceUID for file in files}) == 1


def test_a_localizer_shows_the_same_head_in_three_planes() -> None:
    volume = volume_of((15, 17, 19))
    slices = localizer_slices(volume, 8.0)
    assert len(slices) == 9
    for piece in slices:
        row, column = np.array(piece.plane[:3]), np.array(piece.plane[3:])
        for i, j in ((0, 0), (3, 5)):
            position = np.array(piece.position) + 8.0 * (j * row + i * column)
            x, y, z = position * [-1, -1, 1] / 8 + (np.array(volume.shape) - 1) / 2
            assert piece.pixels[i, j] == volume[round(x), round(y), round(z)]
