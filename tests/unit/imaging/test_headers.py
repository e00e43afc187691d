import gzip
import zipfile
from datetime import datetime

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ldae.imaging.headers import read_header


@pytest.fixture
def header(storage, image):
    def read(zipped=None):
        raw = image(zipped)
        return read_header(storage, raw.files, raw.format)

    return read


def test_a_dicom_header_tells_size_time_and_person(write_series, header):
    write_series()
    found = header()
    assert (found.shape, found.spacing_mm) == ((16, 14, 12), (10.0, 10.0))
    assert found.acquired == datetime(2011, 3, 14, 16, 12, 8)
    assert (found.series_number, found.age, found.sex) == (2, 78.0, "M")
    assert (found.tesla, found.manufacturer) == (3.0, "Siemens")


def test_a_header_is_the_same_in_a_zip(write_series, header, download, pack):
    files = write_series()
    plain = header()
    pack(files, download / "z.zip")
    assert header("z.zip") == plain


@pytest.mark.parametrize("start", [b"\x02\x00\x02\x00", b"\x08\x00\x16\x00"])
def test_neither_name_nor_preamble_make_a_dicom_file(write_series, header, start):
    files = write_series()
    before = header()
    for file in files:
        content = file.read_bytes()
        file.with_name(file.stem).write_bytes(content[content.index(start) :])
        file.unlink()
    assert header() == before


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


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("Philips Medical Systems", "Philips"),
        ("TOSHIBA", "TOSHIBA"),
        ("", None),
        (None, None),
    ],
)
def test_vendors_have_one_name(write_series, header, name, vendor):
    write_series(tags={"Manufacturer": name})
    assert header().manufacturer == vendor


@pytest.mark.parametrize(("value", "tesla"), [(2.89362, 3.0), (15000, 1.5), (None, None)])
def test_field_strengths_are_nominal(write_series, header, value, tesla):
    write_series(tags={"MagneticFieldStrength": value})
    assert header().tesla == tesla


@pytest.mark.parametrize("sizes", [[0, 1], [-1, 1], ["nan", "nan"], ["inf", 1], ""])
def test_absurd_voxel_sizes_are_unknown(write_series, header, sizes):
    write_series(tags={"PixelSpacing": sizes})
    assert header().spacing_mm == ()


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\0" * 128 + b"DICM", b"\0" * 4096, b"\xff" * 4096]
)
def test_a_damaged_first_file_has_no_header(write_series, header, content):
    write_series()[0].write_bytes(content)
    assert header() is None


def test_no_damage_breaks_the_reader(write_series, header):
    first = write_series()[0]
    whole = first.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(400):
        content = bytearray(whole[: rng.integers(101, len(whole))])
        for place in rng.integers(100, len(content), rng.integers(1, 30)):
            content[place % len(content)] = rng.integers(256)
        first.write_bytes(content)
        header()


def test_sequences_nested_without_end_are_damage(write_series, header):
    first = write_series()[0]
    content = first.read_bytes()
    place = content.index(b"\x28\x00\x02\x00US")  # before SamplesPerPixel
    deep = (b"\x20\x00\x40\x91SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5000
    first.write_bytes(content[:place] + deep)
    assert header() is None


def test_a_deflated_dicom_is_not_inflated(write_series, header):
    first = write_series()[0]
    dataset = pydicom.dcmread(first)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(first)
    assert header() is None


def test_a_nifti_header_tells_size_and_no_person(write_nifti, header):
    write_nifti()
    found = header()
    assert (found.shape, found.spacing_mm) == ((12, 14, 16), (10.0, 10.0, 10.0))
    assert (found.acquired, found.age, found.sex, found.tesla) == (None, None, None, None)


def test_a_compressed_nifti_header_is_the_same(write_nifti, header, download, pack):
    path = write_nifti()
    plain = header()
    packed = path.with_suffix(".nii.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert header() == plain
    pack([packed], download / "z.zip")
    assert header("z.zip") == plain


def test_a_gzip_bomb_is_not_inflated(write_nifti, header, download):
    path = write_nifti()
    content = path.read_bytes()[:352] + bytes(3 * 10**8)
    with zipfile.ZipFile(download / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_I1.nii.gz", gzip.compress(content, 1))
    path.unlink()
    assert header("z.zip").shape == (12, 14, 16)


def test_a_damaged_nifti_has_no_header(write_nifti, header):
    write_nifti().write_bytes(b"short")
    assert header() is None


def test_no_damage_breaks_the_reader_of_nifti(write_nifti, header):
    path = write_nifti()
    whole = path.read_bytes()[:400]
    rng = np.random.default_rng(2)
    for number in range(400):
        content = bytearray(whole)
        for place in rng.integers(0, 352, rng.integers(1, 30)):
            content[place] = rng.integers(256)
        path.write_bytes(gzip.compress(content)[: rng.integers(10, 400)] if number % 2 else content)
        header()


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
