import nibabel as nib
import numpy as np
import pydicom
import pytest

from ldae.adni.dicom import ConversionError, convert_dicom
from ldae.adni.headers import read_header
from ldae.adni.inventory import take_inventory


@pytest.fixture
def convert(tmp_path):
    """Converts all DICOM files of the download as one image."""

    def run():
        (image,) = take_inventory(tmp_path / "download").images
        header = read_header(image, tmp_path / "download")
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        return convert_dicom([tmp_path / "download" / f for f in image.files], header, workspace)

    return run


def refused(convert):
    with pytest.raises(ConversionError) as caught:
        convert()
    return caught.value.exclusion


def test_every_voxel_keeps_its_value_and_its_place_in_the_scanner(write_series, convert):
    files = write_series()
    path, _ = convert()
    volume = nib.load(path)
    assert len(volume.shape) == 3
    to_voxel = np.linalg.inv(volume.affine)
    data = np.asarray(volume.dataobj)
    for file in files:
        dataset = pydicom.dcmread(file)
        row, column = np.indices(dataset.pixel_array.shape)
        along, down = np.reshape(dataset.ImageOrientationPatient, (2, 3))
        spacing = dataset.PixelSpacing[0]
        place = (
            np.array(dataset.ImagePositionPatient)
            + column[..., None] * spacing * along
            + row[..., None] * spacing * down
        ) * [-1, -1, 1]  # left and posterior are positive in DICOM, right and anterior in NIfTI
        voxel = np.rint(place @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int)
        np.testing.assert_array_equal(data[tuple(np.moveaxis(voxel, -1, 0))], dataset.pixel_array)


def test_the_sidecar_tells_of_the_scanner_and_not_of_the_person(write_series, convert):
    write_series()
    _, sidecar = convert()
    assert (sidecar["MagneticFieldStrength"], sidecar["Manufacturer"]) == (3, "Siemens")
    assert not {"PatientName", "PatientID", "PatientAge", "AcquisitionDateTime"} & sidecar.keys()


def test_an_interior_gap_is_missing_slices(write_series, convert):
    write_series(slices=[i for i in range(12) if i != 5])
    assert refused(convert).reason == "missing_slices"


@pytest.mark.parametrize("slice_", [0, 5, 11])
@pytest.mark.parametrize("size", [0, 200, 900, 1200])
def test_a_file_cut_short_makes_the_image_unreadable(write_series, convert, slice_, size):
    file = write_series()[slice_]
    assert file.stat().st_size > 1200
    file.write_bytes(file.read_bytes()[:size])
    assert refused(convert).reason == "unreadable_dicom"


def test_files_that_are_no_dicom_are_unreadable(write_series, convert):
    for file in write_series():
        file.write_bytes(b"not an image" * 100)
    assert refused(convert).reason == "unreadable_dicom"


def test_two_series_under_one_image_id_are_several_volumes(write_series, convert):
    first = write_series()
    write_series(uid="1.2.3.77", folder=first[0].parent / "again", series_number=9)
    for file in (first[0].parent / "again").iterdir():
        file.rename(first[0].parent / f"ADNI_again_{file.name}")
    found = refused(convert)
    assert found.reason == "several_volumes", found


def test_a_second_copy_of_the_series_is_several_volumes(write_series, convert):
    first = write_series()
    for number, file in enumerate(first):
        dataset = pydicom.dcmread(file)
        dataset.SOPInstanceUID += ".1"
        dataset.InstanceNumber += 100
        copy = first[0].parent / f"ADNI_copy_{number}_S1_I1001.dcm"
        pydicom.dcmwrite(copy, dataset)
    found = refused(convert)
    assert found.reason == "several_volumes", found


def test_without_a_voxel_size_none_is_assumed(write_series, convert):
    write_series(tags={"PixelSpacing": None})
    assert refused(convert).reason == "no_voxel_size"


def test_what_dcm2niix_says_is_kept_without_the_name_of_the_workspace(
    write_series, convert, tmp_path
):
    write_series(slices=[i for i in range(12) if i != 5])
    detail = refused(convert).detail
    assert "Interslice distance varies" in detail
    assert str(tmp_path) not in detail
