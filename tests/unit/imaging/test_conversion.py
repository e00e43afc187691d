import gzip
import json
import os
import stat
import struct
import zipfile

import nibabel as nib
import numpy as np
import pytest

from ldae.imaging import conversion
from ldae.imaging.conversion import RawImage, link
from ldae.imaging.storage import INSIDE, Storage
from ldae.runtime import sha256


@pytest.fixture
def nifti(write_nifti):
    """Writes the download's NIfTI file after a change of its bytes, and packs it if asked."""

    def write(change=lambda content: content, *, packed=False, **known):
        path = write_nifti(**known)
        content = change(path.read_bytes())
        path.unlink()
        path = path.with_suffix(".nii.gz") if packed else path
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    return write


@pytest.fixture
def zipped_up(download, image, pack):
    """The image of all files of the download, in a zip if asked."""

    def gather(files, *, zipped):
        if zipped:
            pack(files, download / "z.zip")
        return image("z.zip" if zipped else None)

    return gather


def with_field(place, fmt, *values):
    def change(content):
        edited = bytearray(content)
        struct.pack_into(fmt, edited, place, *values)
        return bytes(edited)

    return change


def test_two_conversions_give_the_same_bytes(write_series, image, convert):
    write_series()
    one, two = convert(image(), "one"), convert(image(), "two")
    assert one.image.read_bytes() == two.image.read_bytes()
    assert one.sha256 == two.sha256 == sha256(one.image)
    sidecars = [path.with_name(f"{path.name[:3]}.json") for path in (one.image, two.image)]
    assert sidecars[0].read_bytes() == sidecars[1].read_bytes()
    assert json.loads(sidecars[0].read_text()) == one.sidecar


def test_a_zip_gives_the_same_image_as_a_folder(write_series, image, convert, download, pack):
    files = write_series()
    plain = convert(image(), "plain").sha256
    pack(files, download / "z.zip")
    assert convert(image("z.zip"), "zipped").sha256 == plain


def test_files_of_one_image_may_lie_in_several_places(write_series, image, convert, download, pack):
    files = write_series()
    raw = image()
    plain = convert(raw, "plain").sha256
    pack(files[:4], download / "a.zip")
    pack(files[4:6], download / "b.zip")
    loose = [file for file in raw.files if (download / file).exists()]
    spread = [*image("a.zip").files, *image("b.zip").files, *loose]
    assert convert(RawImage(tuple(spread), "DICOM"), "spread").sha256 == plain


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_nifti_download_is_kept_to_the_byte(nifti, convert, zipped_up, packed, zipped):
    path = nifti(packed=packed)
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    made = convert(zipped_up([path], zipped=zipped))
    assert gzip.decompress(made.image.read_bytes()) == content
    assert not made.image.is_symlink()
    assert made.sidecar["Modality"] == "MR"


def test_compression_goes_by_content_and_not_by_name(nifti, image, convert):
    path = nifti()
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content))
    assert gzip.decompress(convert(image()).image.read_bytes()) == content


def test_nifti_2_and_big_endian_are_read(image, convert, download):
    data = np.arange(12 * 14 * 16, dtype=">i2").reshape(12, 14, 16)
    header = nib.Nifti2Header(endianness=">")
    nib.save(nib.Nifti2Image(data, np.diag([10, 10, 10, 1]), header), download / "x.nii")
    np.testing.assert_array_equal(nib.load(convert(image()).image).dataobj, data)


def test_extensions_of_the_header_are_kept(image, convert, download):
    volume = nib.Nifti1Image(np.ones((12, 14, 16), np.int16), np.diag([10, 10, 10, 1]))
    volume.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"long " * 5000))
    nib.save(volume, download / "x.nii")
    made = convert(image())
    assert gzip.decompress(made.image.read_bytes()) == (download / "x.nii").read_bytes()


def test_bytes_after_the_voxels_are_left_out(nifti, image, convert):
    path = nifti(lambda content: content + bytes(5000))
    assert gzip.decompress(convert(image()).image.read_bytes()) == path.read_bytes()[:-5000]


def test_a_sidecar_beside_a_nifti_file_is_kept(nifti, image, convert, download):
    path = nifti(packed=True)
    beside = path.with_name(path.name.replace(".nii.gz", ".json"))
    raw = image()
    text = '{"MagneticFieldStrength": 1.5, "EchoTime": NaN, "Note": "\\ud800", "SourceFiles": 1}'
    beside.write_text(text)
    made = convert(raw)
    assert made.sidecar["MagneticFieldStrength"] == 1.5
    assert made.sidecar["EchoTime"] is None
    assert made.sidecar["SourceFiles"]["SHA256"] == made.sha256
    beside.write_text('{"MagneticFieldStrength": 3}')
    assert convert(raw).sidecar["MagneticFieldStrength"] == 3


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10**5, '{"a": 1' + "0" * 5000 + "}"])
def test_a_sidecar_that_is_none_is_passed_over(nifti, image, convert, text):
    path = nifti()
    raw = image()
    path.with_suffix(".json").write_text(text)
    assert set(convert(raw).sidecar) == {"Modality", "SourceFiles"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kept", [0, 100, 347, 400, -1])
def test_a_nifti_cut_short_is_unreadable(nifti, image, refused, packed, kept):
    nifti(lambda content: content[:kept], packed=packed)
    assert refused(image()).reason == "unreadable_nifti"


def test_a_gzip_cut_short_is_unreadable(nifti, image, refused):
    path = nifti(packed=True)
    path.write_bytes(path.read_bytes()[:-9])  # all voxels are there, but nothing vouches for them
    assert refused(image()).reason == "unreadable_nifti"


def test_a_damaged_gzip_is_unreadable(nifti, image, refused):
    path = nifti(packed=True)
    content = bytearray(path.read_bytes())
    content[2000:2010] = bytes(10)
    path.write_bytes(content)
    assert refused(image()).reason == "unreadable_nifti"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_field(40, "<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), "too_large"),
        (with_field(40, "<8h", 3, 1, 1, 1, 1, 1, 1, 1), "too_few_slices"),
        (with_field(40, "<8h", 2, 12, 14, 1, 1, 1, 1, 1), "too_few_slices"),
        (with_field(40, "<8h", 3, -12, 14, 16, 1, 1, 1, 1), "unreadable_nifti"),
        (with_field(40, "<8h", 0, 0, 0, 0, 0, 0, 0, 0), "unreadable_nifti"),
        (with_field(70, "<h", 9999), "unreadable_nifti"),
        (with_field(70, "<2h", 128, 24), "no_intensities"),
        (with_field(70, "<2h", 32, 64), "no_intensities"),
        (with_field(108, "<f", 0), "unreadable_nifti"),
        (with_field(108, "<f", float("nan")), "unreadable_nifti"),
        (with_field(108, "<f", 1e30), "too_large"),
        (with_field(280, "<f", float("nan")), "unreadable_nifti"),
        (with_field(344, "<4s", b"ni1\0"), "unreadable_nifti"),
        (with_field(80, "<f", float("nan")), "no_voxel_size"),
        (with_field(84, "<f", 0), "no_voxel_size"),
    ],
)
def test_headers_that_cannot_be_are_refused(nifti, image, refused, change, reason):
    nifti(change)
    found = refused(image())
    assert found.reason == reason, found


@pytest.mark.parametrize("shape", [(12, 14, 16, 2), (12, 14, 16, 1, 1, 3)])
def test_a_nifti_of_several_volumes_is_refused(nifti, image, refused, shape):
    nifti(shape=shape)
    assert refused(image()).reason == "several_volumes"


@pytest.mark.parametrize("shape", [(12, 14, 16, 1), (12, 14, 16, 1, 1)])
def test_a_nifti_of_one_volume_may_have_more_axes(nifti, image, convert, shape):
    nifti(shape=shape)
    assert convert(image())


def test_two_nifti_files_are_several_volumes(write_nifti, image, refused):
    write_nifti()
    write_nifti(description="MPRAGE_Repeat")
    assert refused(image()).reason == "several_volumes"


@pytest.mark.parametrize(
    ("slices", "whole"), [(12, True), (14, True), (16, True), (11, True), (13, False), (20, False)]
)
def test_a_nifti_with_fewer_slices_than_listed_is_truncated(
    nifti, image, convert, refused, slices, whole
):
    nifti()
    raw = image(slices=slices, slices_source="metadata")
    if whole:
        assert convert(raw)
    else:
        found = refused(raw)
        assert (found.reason, found.detail) == (
            "truncated",
            f"12 of {slices} slices by metadata",
        )


def test_limits_hold_for_what_only_conversion_shows(write_series, image, refused, limits):
    write_series()
    narrow = limits.model_copy(update={"min_extent_mm": 125.0})  # 12 slices of 10 mm
    assert refused(image(), limits=narrow).reason == "field_of_view_too_small"


@pytest.mark.parametrize("depth", [16, 30000])
def test_a_gzip_bomb_is_given_up_at_the_limit(nifti, image, refused, depth):
    declare = with_field(40, "<8h", 3, 12, 14, depth, 1, 1, 1, 1)
    nifti(lambda content: declare(content)[:352] + bytes(2 * 10**8), packed=True)
    assert refused(image(), max_bytes=10**7).reason == "too_large"


def test_a_zip_bomb_of_dicom_is_given_up_at_the_limit(image, refused, download):
    with zipfile.ZipFile(download / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"ADNI/{number}.dcm", bytes(10**7))
    assert refused(image("z.zip"), max_bytes=2 * 10**7).reason == "too_large"


@pytest.mark.parametrize("name", ["../../{}.dcm", "/tmp/{}.dcm", "..\\{}.dcm"])
def test_members_with_hostile_names_stay_in_the_workspace(
    write_series, convert, image, download, tmp_path, name
):
    files = write_series()
    plain = convert(image(), "plain").sha256
    with zipfile.ZipFile(download / "z.zip", "w") as archive:
        for number, file in enumerate(files):
            archive.writestr(name.format(f"climbed{number:02d}"), file.read_bytes())
            file.unlink()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with Storage(download) as storage:
        ((folder, names),) = [place for place in storage.walk() if place[1]]
        glue = "" if folder.endswith(INSIDE) else "/"
        raw = RawImage(tuple(f"{folder}{glue}{name}" for name in names), "DICOM")
        assert convert(raw, "climbed").sha256 == plain
    added = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path.name for path in added} == {"climbed.nii.gz", "climbed.json"}
    assert not os.path.exists("/tmp/climbed00.dcm")


def test_links_in_a_zip_lead_nowhere(write_series, refused, image, download):
    (secret, *others) = write_series()
    with zipfile.ZipFile(download / "z.zip", "w") as archive:
        for file in others:
            archive.write(file, file.name)
            file.unlink()
        info = zipfile.ZipInfo(secret.name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, str(secret))
    assert refused(image("z.zip")).detail.startswith("no image header in 1 of 12 files")


def test_a_damaged_member_is_a_fault_of_the_image(write_series, refused, image, download):
    files = write_series()
    with zipfile.ZipFile(download / "z.zip", "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.name)
            file.unlink()
    content = bytearray((download / "z.zip").read_bytes())
    content[5000:5050] = bytes(50)
    (download / "z.zip").write_bytes(content)
    assert refused(image("z.zip")).reason == "unreadable_file"


def test_a_dead_link_is_a_fault_of_the_image(write_series, refused, image):
    file = write_series()[3]
    raw = image()
    file.unlink()
    file.symlink_to("/nowhere")
    found = refused(raw)
    assert found.reason == "unreadable_file"
    assert found.detail.endswith(f"{file.name}: No such file or directory")


# What stands there already


def test_what_was_made_from_the_same_files_is_kept(write_series, image, convert, monkeypatch):
    write_series()
    first = convert(image())
    before = first.image.stat().st_ino
    monkeypatch.setattr(conversion, "_unpack", None)  # not called again
    assert convert(image()) == first
    assert first.image.stat().st_ino == before


def test_other_files_limits_or_numbers_are_looked_at_again(
    write_series, image, convert, limits, refused
):
    files = write_series()
    inode = convert(image()).image.stat().st_ino

    def again(raw, **changes):
        nonlocal inode
        inode, before = convert(raw, **changes).image.stat().st_ino, inode
        return inode != before

    assert not again(image())
    os.utime(files[3], ns=(1, 1))
    assert again(image())
    assert again(image(slices=12, slices_source="MRIQC"))
    assert again(image(), limits=limits.model_copy(update={"min_extent_mm": 119.0}))
    assert not again(
        image(), limits=limits.model_copy(update={"min_extent_mm": 119.0, "prefer": "processed"})
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"SourceFiles": 3}', "[" * 10**5])
def test_a_foreign_sidecar_does_not_vouch_for_an_image(write_series, image, convert, text):
    write_series()
    made = convert(image())
    made.image.write_bytes(b"other")
    made.image.with_name("T1w.json").write_text(text)
    assert sha256(convert(image()).image) == made.sha256


def test_an_image_without_its_sidecar_is_made_again(write_series, image, convert):
    write_series()
    made = convert(image())
    made.image.write_bytes(b"half")
    made.image.with_name("T1w.json").unlink()
    assert sha256(convert(image()).image) == made.sha256


def test_what_a_killed_run_left_is_cleared(write_series, image, convert, tmp_path):
    write_series()
    (tmp_path / "bids").mkdir()
    for name in (".7.T1w.nii.gz", ".7.T1w.json", ".7..7.T1w.json"):
        (tmp_path / "bids" / name).write_bytes(b"half")
    convert(image())
    assert {path.name for path in (tmp_path / "bids").iterdir()} == {"T1w.nii.gz", "T1w.json"}


# Links to the user's own data


def test_a_compressed_original_is_linked(nifti, image, convert):
    path = nifti(packed=True)
    raw = image()
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"Manufacturer": "GE"}')
    made = convert(raw, deliver=link)
    assert made.image.readlink() == path
    assert made.sha256 == sha256(path)
    assert made.sidecar["Manufacturer"] == "GE"
    assert convert(raw, deliver=link) == made


def test_a_link_is_replaced_and_never_written_through(nifti, image, convert):
    path = nifti(packed=True)
    made = convert(image(), deliver=link)
    original = path.read_bytes()
    os.utime(path, ns=(1, 1))
    copied = convert(image())
    assert not copied.image.is_symlink()
    assert path.read_bytes() == original
    assert nib.load(copied.image).shape == (12, 14, 16)
    assert made.image == copied.image


@pytest.mark.parametrize("case", ["plain", "misnamed", "zipped"])
def test_what_cannot_be_linked_is_compressed(nifti, convert, zipped_up, case):
    path = nifti(packed=case == "zipped")
    if case == "misnamed":
        path = path.rename(path.with_suffix(".nii.gz"))
    made = convert(zipped_up([path], zipped=case == "zipped"), deliver=link)
    assert not made.image.is_symlink()
    assert nib.load(made.image).shape == (12, 14, 16)


def test_a_damaged_original_is_not_linked(nifti, image, refused):
    path = nifti(packed=True)
    path.write_bytes(path.read_bytes()[:-50])
    assert refused(image(), deliver=link).reason == "unreadable_nifti"
