import gzip
from datetime import datetime

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ldae.adni.headers import read_header
from ldae.adni.inventory import take_inventory


@pytest.fixture
def header(tmp_path):
    def read():
        (image,) = take_inventory(tmp_path / "download").images
        return read_header(image, tmp_path / "download")

    return read


def test_a_dicom_header_tells_size_time_and_person(write_series, header):
    write_series()
    found = header()
    assert (found.shape, found.spacing_mm) == ((16, 14, 12), (10.0, 10.0))
    assert found.acquired == datetime(2011, 3, 14, 16, 12, 8)
    assert (found.series_number, found.age, found.sex) == (2, 78.0, "M")


@pytest.mark.parametrize(
    ("tags", "acquired"),
    [
        ({"AcquisitionDate": None}, datetime(2011, 3, 14, 16, 12, 8)),
        ({"AcquisitionDate": "", "AcquisitionTime": ""}, datetime(2011, 3, 14, 16, 12, 8)),
        ({"AcquisitionDate": "19000101", "StudyTime": "161100.250"}, datetime(2011, 3, 14, 16, 11)),
        ({"AcquisitionTime": None}, datetime(2011, 3, 14)),
        ({"AcquisitionDate": None, "StudyDate": None}, None),
    ],
)
def test_date_and_time_are_of_one_level(write_series, header, tags, acquired):
    write_series(tags=tags)
    assert header().acquired == acquired


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 128 + b"DICM", b"\0" * 4096])
def test_a_damaged_first_file_has_no_header(write_series, header, content):
    write_series()[0].write_bytes(content)
    assert header() is None


def test_a_nifti_header_tells_size_and_no_person(write_nifti, header):
    write_nifti()
    found = header()
    assert (found.shape, found.spacing_mm) == ((12, 14, 16), (10.0, 10.0, 10.0))
    assert (found.acquired, found.age, found.sex) == (None, None, None)


def test_a_damaged_nifti_has_no_header(write_nifti, header):
    write_nifti().write_bytes(b"short")
    assert header() is None


def test_a_nifti_of_no_known_data_type_has_no_header(write_nifti, header):
    path = write_nifti()
    content = bytearray(path.read_bytes())
    content[70:72] = (9999).to_bytes(2, "little")
    path.write_bytes(content)
    assert header() is None


def test_a_damaged_compressed_nifti_has_no_header(write_nifti, header):
    path = write_nifti()
    content = bytearray(gzip.compress(path.read_bytes()))
    content[10:40] = b"\xff" * 30  # past the gzip header, so that the stream itself is damaged
    path.unlink()
    path.with_suffix(".nii.gz").write_bytes(content)
    assert header() is None


def test_a_damaged_deflated_dicom_has_no_header(write_series, header):
    first = write_series()[0]
    dataset = pydicom.dcmread(first)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(first)
    assert header() is not None
    content = bytearray(first.read_bytes())
    start = 144 + dataset.file_meta.FileMetaInformationGroupLength  # of the deflated part
    content[start : start + 100] = b"\xff" * 100
    first.write_bytes(content)
    assert header() is None
