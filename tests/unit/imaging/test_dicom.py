"""Every way in which dcm2niix is known to go wrong, on files that it really converts."""

import json
import shutil
import sys

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from ldae.errors import UserError


@pytest.fixture
def edit():
    """Rewrites DICOM files: `edit(files, Rows=3)`, or with a function of position and dataset."""

    def rewrite(files, change=None, **tags):
        for number, file in enumerate(files):
            dataset = pydicom.dcmread(file)
            for tag, value in tags.items():
                setattr(dataset, tag, value)
            if change:
                change(number, dataset)
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)

    return rewrite


@pytest.fixture
def series(write_series, image):
    """The files of a series, and the image they make."""
    files = write_series()
    return files, image()


@pytest.fixture
def puppet(tmp_path, monkeypatch):
    """Puts a script of bash in the place of dcm2niix."""

    def place(script):
        path = tmp_path / "puppet"
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr("dcm2niix.bin", str(path))

    return place


def doubled(files, change=None):
    """Second files of the same image, under other names."""
    copies = []
    for number, file in enumerate(files):
        copies.append(file.with_name(f"copy_{file.name}"))
        dataset = pydicom.dcmread(file)
        if change:
            change(number, dataset)
            pydicom.dcmwrite(copies[-1], dataset, enforce_file_format=True)
        else:
            shutil.copy(file, copies[-1])
    return copies


def test_every_voxel_keeps_its_value_and_its_place_in_the_scanner(write_series, image, convert):
    files = write_series()
    volume = nib.load(convert(image()).image)
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


def test_the_sidecar_tells_of_the_scanner_and_not_of_the_person(write_series, image, convert):
    write_series()
    made = convert(image())
    sidecar = json.loads(made.image.with_name("T1w.json").read_text())
    assert sidecar == made.sidecar
    assert (sidecar["MagneticFieldStrength"], sidecar["Manufacturer"]) == (3, "Siemens")
    assert not {"PatientName", "PatientID", "PatientAge", "AcquisitionDateTime"} & sidecar.keys()


def test_odd_texts_of_a_header_stay_in_their_place(write_series, image, convert):
    write_series(tags={"ManufacturerModelName": 'a"b\\c\n{}', "SliceThickness": "nan"})
    made = convert(image())
    assert made.sidecar["ManufacturersModelName"].startswith('a"b\\c')
    assert made.sidecar.get("SliceThickness") is None


def test_neither_extension_nor_preamble_are_needed(write_series, image, convert):
    files = write_series()
    whole = convert(image(), "whole").sha256
    for file in files:
        content = file.read_bytes()
        file.with_name(file.stem).write_bytes(content[content.index(b"\x08\x00\x16\x00") :])
        file.unlink()
    assert convert(image(), "bare").sha256 == whole


def test_copies_of_files_count_once(write_series, image, convert):
    files = write_series()
    once = convert(image(), "once")
    doubled(files[3:7])
    twice = convert(image(), "twice")
    assert twice.sha256 == once.sha256


def test_overlays_are_no_volumes(write_series, image, convert, edit):
    def draw(_, dataset):
        for element, vr, value in [
            (0x10, "US", 14),
            (0x11, "US", 16),
            (0x40, "CS", "R"),
            (0x50, "SS", [1, 1]),
            (0x100, "US", 1),
            (0x102, "US", 0),
            (0x3000, "OW", b"\x01\x80" * 14),
        ]:
            dataset.add_new((0x6000, element), vr, value)

    edit(write_series(), draw)
    assert nib.load(convert(image()).image).shape == (12, 16, 14)


@pytest.mark.parametrize("known", [None, 12, 20])
def test_an_interior_gap_is_missing_slices(write_series, image, refused, known):
    write_series(slices=[i for i in range(12) if i not in {5, 7}])
    found = refused(image(slices=known, slices_source="MRIQC"))
    assert found.reason == "missing_slices"
    assert found.detail == f"10 of {max(known or 0, 12)} slices"


def test_a_copy_does_not_stand_for_a_missing_slice(write_series, image, refused):
    doubled(write_series(slices=[i for i in range(12) if i != 5])[:1])
    found = refused(image())
    assert (found.reason, found.detail) == ("missing_slices", "11 of 12 slices")


@pytest.mark.parametrize("slices", [range(10), range(2, 12), range(0, 12, 2)])
def test_slices_missing_at_an_end_show_by_their_number(
    write_series, image, convert, refused, slices
):
    write_series(slices=slices)
    found = refused(image(slices=12, slices_source="MRIQC"))
    assert found.reason == "truncated"
    assert found.detail == f"{len(slices)} of 12 slices by MRIQC"
    if len(slices) == 10:  # what nothing says is missing, is not
        assert convert(image())


def test_more_slices_than_listed_are_no_fault(write_series, image, convert):
    write_series()
    assert convert(image(slices=11, slices_source="MRIQC"))


@pytest.mark.parametrize("slice_", [0, 5, 11])
@pytest.mark.parametrize("size", [0, 200, 900, 1200])
def test_a_file_cut_short_makes_the_image_unreadable(write_series, image, refused, slice_, size):
    file = write_series()[slice_]
    assert file.stat().st_size > 1200
    file.write_bytes(file.read_bytes()[:size])
    assert refused(image()).reason == "unreadable_dicom"


def test_files_that_are_no_dicom_are_unreadable(write_series, image, refused):
    for file in write_series():
        file.write_bytes(b"not an image" * 100)
    assert refused(image()).detail.startswith("no image header in 12 of 12 files")


def test_files_without_pixels_are_unreadable(write_series, image, refused, edit):
    edit(write_series()[4:5], lambda _, dataset: dataset.pop("PixelData"))
    found = refused(image())
    assert (found.reason, found.detail[:27]) == ("unreadable_dicom", "11 of 12 slices came out; W")


def move(which, position):
    def change(number, dataset):
        if number == which:
            dataset.ImagePositionPatient = position

    return change


def set_in(which, **tags):
    def change(number, dataset):
        for tag, value in tags.items() if number in which else []:
            setattr(dataset, tag, value)

    return change


def own_series(number, dataset):
    dataset.SeriesInstanceUID = f"1.2.9.{number}"


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (own_series, "several_volumes", "each file is a series of its own"),
        (set_in([9], SeriesInstanceUID="1.9"), "several_volumes", "2 series"),
        (set_in([4], PixelSpacing=[9, 9]), "several_volumes", "slices of different spacing"),
        (
            set_in([4], ImageOrientationPatient=[0.05, 0.9987, 0, 0, 0, -1]),
            "several_volumes",
            "slices of different orientation",
        ),
        (set_in([4], EchoTime=2.980001), "several_volumes", "EchoTime"),
        (set_in([2, 3, 4, 5], EchoNumbers=2), "several_volumes", "EchoNumbers"),
        (set_in(range(6), StudyTime="171700"), "several_volumes", "StudyTime"),
        (
            set_in(range(6), ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]),
            "several_volumes",
            "ImageType",
        ),
        (
            set_in(range(12), ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]),
            "unusual_volume",
            "dcm2niix calls it T1w_ph.nii",
        ),
        (set_in([3], PixelSpacing=""), "no_voxel_size", "dcm2niix would assume 1 mm"),
        (set_in([3], PixelSpacing=[0, 0]), "no_voxel_size", "dcm2niix would assume 1 mm"),
        (set_in([3], ImagePositionPatient=""), "no_position", "nothing says where its slices are"),
        (
            set_in(range(12), ImageOrientationPatient=["nan", 1, 0, 0, 0, -1]),
            "no_position",
            "nothing says where its slices are",
        ),
        (
            set_in(range(12), ImageOrientationPatient=[0] * 6),
            "no_position",
            "the directions of its slices are none",
        ),
        (move(4, [1e6, 0, 0]), "uneven_slices", ""),
        (move(4, [10.0, -59, 70]), "uneven_slices", "10 to 10 mm apart"),
        (move(4, [9.5, -60, 70]), "uneven_slices", "9.5 to 10.5 mm apart"),
        (move(4, [20.0, -60, 70]), "several_volumes", "12 different slices at 11 places"),
        (set_in([4], NumberOfFrames=10**9), "too_large", ""),
        (set_in([4], Rows=65535, Columns=65535), "too_large", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_one_volume_is_refused(series, refused, edit, change, reason, detail):
    files, image = series
    edit(files, change)
    found = refused(image)
    assert (found.reason, detail in found.detail) == (reason, True), found


def test_an_offset_that_can_be_rounding_is_none(write_series, image, convert, edit):
    edit(write_series(), move(4, [10.05, -60, 70]))
    assert convert(image())


def test_different_sizes_of_slices_are_several_volumes(write_series, image, refused, edit):
    def shorten(_, dataset):
        dataset.Rows, dataset.PixelData = 12, dataset.PixelData[: 12 * 16 * 2]

    edit(write_series()[4:5], shorten)
    assert refused(image()).detail == "slices of different rows"


def test_a_second_copy_of_the_series_is_several_volumes(write_series, image, refused):
    def renew(_, dataset):
        dataset.SOPInstanceUID += ".1"
        dataset.InstanceNumber += 100

    doubled(write_series(), renew)
    found = refused(image())
    assert (found.reason, found.detail) == (
        "several_volumes",
        "24 different slices at 12 places",
    )


def test_two_series_under_one_image_id_are_several_volumes(write_series, image, refused):
    first = write_series()
    write_series(uid="1.2.3.77", folder=first[0].parent / "again", series_number=9)
    assert refused(image()).detail == "2 series"


def test_pictures_in_colour_are_no_scans(write_series, image, refused, edit):
    def paint(_, dataset):
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PlanarConfiguration, dataset.PixelData = 0, bytes(14 * 16 * 3)

    edit(write_series(), paint)
    assert refused(image()).reason == "no_intensities"


def test_deflated_files_are_told_apart(write_series, image, refused):
    for file in write_series():
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(file)
    assert "deflated" in refused(image()).detail


def test_compressed_pixels_are_read_as_any(write_series, image, convert):
    files = write_series()
    plain = np.asarray(nib.load(convert(image(), "plain").image).dataobj)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless)
        dataset.save_as(file)
    packed = np.asarray(nib.load(convert(image(), "packed").image).dataobj)
    np.testing.assert_array_equal(packed, plain)


def test_what_dcm2niix_says_is_kept_without_the_name_of_the_workspace(
    write_series, image, refused, edit
):
    edit(write_series()[4:5], lambda _, dataset: dataset.pop("PixelData"))
    detail = refused(image()).detail
    assert "Interslice distance varies" in detail
    assert "ldae-" not in detail


def test_a_converter_that_hangs_is_ended(series, refused, puppet, monkeypatch):
    puppet("exec sleep 60")
    monkeypatch.setattr("ldae.imaging.dicom._TIMEOUT", 0.3)
    assert refused(series[1]).reason == "timeout"


def test_a_converter_that_was_killed_is_no_fault_of_the_image(series, convert, puppet):
    puppet("kill -KILL $$")
    with pytest.raises(UserError, match="killed"):
        convert(series[1])


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ("kill -SEGV $$", "unreadable_dicom", "dcm2niix broke off with signal 11"),
        ("exec head -c 2000000 /dev/zero > $last/../out/T1w.nii", "too_large", "wrote more"),
        (
            f"exec {sys.executable} -c 'b\"0\" * (15 * 10**8)'",
            "unreadable_dicom",
            "dcm2niix wrote nothing",
        ),
    ],
)
def test_what_a_hostile_image_can_make_the_converter_use_is_bounded(
    series, refused, puppet, script, reason, detail
):
    puppet(f"for last; do :; done\nsleep 0.1\n{script}")  # the last argument is its input folder
    found = refused(series[1], max_bytes=10**6)
    assert (found.reason, detail in found.detail) == (reason, True), found
