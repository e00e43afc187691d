"""Reading refuses what cannot be a head, by name, and takes whatever scanners may write."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.reading import read_image, write_like

SHAPE = (40, 44, 36)
RAS_4MM = np.diag([4, 4, 4, 1.0])


def scan(path, data, affine=RAS_4MM):
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def ball(shape=SHAPE):
    """Something bright in the middle of dark, noisy air; no two voxels alike."""
    places = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    inside = (places**2).sum(0) < (min(shape) * 0.45) ** 2
    noise = np.random.default_rng(0).random(shape)
    return (ndimage.gaussian_filter(inside * 1.0, 1) + 0.05 * noise).astype(np.float32)


def with_value(value):
    data = ball()
    data[3, 4, 5] = value
    return data


def sheared():
    affine = RAS_4MM.copy()
    affine[0, 1] = 1.0
    return affine


def code_of(path):
    with pytest.raises(ScanError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{caught.value.code}: ")
    return caught.value.code


@pytest.mark.parametrize(
    ("code", "data", "affine"),
    [
        ("empty", np.zeros(SHAPE, np.int16), RAS_4MM),
        ("empty", np.full(SHAPE, 7, np.int16), RAS_4MM),
        ("not-finite", with_value(np.nan), RAS_4MM),
        ("not-finite", with_value(np.inf), RAS_4MM),
        ("not-3d", np.stack([ball()] * 3, axis=-1), RAS_4MM),
        ("not-3d", ball()[:, :, 5], RAS_4MM),
        ("not-scalar", ball().astype(np.complex64), RAS_4MM),
        ("small-field-of-view", ball((40, 44, 10)), RAS_4MM),
        ("sheared-affine", ball(), sheared()),
        ("wrong-contrast", ball().max() - ball(), RAS_4MM),
        ("wrong-contrast", -ball() - 1, RAS_4MM),
    ],
)
def test_bad_content_is_named(tmp_path, code, data, affine):
    assert code_of(scan(tmp_path / "x.nii.gz", data, affine)) == code


def test_colours_are_no_intensities(tmp_path):
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"] = (ball() * 200).astype("u1")
    assert code_of(scan(tmp_path / "x.nii.gz", colours)) == "not-scalar"


@pytest.mark.parametrize("rows", [[0, 0, 0], [1, 0, 0]], ids=["zero column", "parallel columns"])
def test_singular_affine_is_named(tmp_path, rows):
    path = scan(tmp_path / "x.nii", ball())
    singular = np.diag([4.0, 4, 4, 1]).astype("<f4")
    singular[:3, 1] = np.array(rows) * 4
    raw = bytearray(path.read_bytes())
    raw[280:328] = singular[:3].tobytes()  # srow_x, srow_y, srow_z
    path.write_bytes(raw)
    assert code_of(path) == "singular-affine"


@pytest.mark.parametrize("keep", [0, 10, 400, 20_000])
def test_truncated_file_is_unreadable(tmp_path, keep):
    path = scan(tmp_path / "x.nii.gz", ball())
    path.write_bytes(path.read_bytes()[:keep])
    assert code_of(path) == "unreadable"


def test_a_flipped_byte_in_the_gzip_is_unreadable(tmp_path):
    path = scan(tmp_path / "x.nii.gz", ball())
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    assert code_of(path) == "unreadable"


def test_text_in_a_gzip_is_unreadable(tmp_path):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(gzip.compress(b"not an image " * 100))
    assert code_of(path) == "unreadable"


def test_a_header_that_declares_a_terabyte_is_not_believed(tmp_path):
    path = scan(tmp_path / "x.nii.gz", ball())
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[40:56] = struct.pack("<8h", 3, 10_000, 10_000, 10_000, 1, 1, 1, 1)  # dim
    path.write_bytes(gzip.compress(bytes(raw)))
    assert code_of(path) == "too-large"


@pytest.mark.parametrize("more", [(1,), (1, 1)])
def test_one_volume_of_a_series_is_accepted(tmp_path, more):
    data = ball().reshape(*SHAPE, *more)
    assert read_image(scan(tmp_path / "x.nii.gz", data)).data.shape == SHAPE


@pytest.mark.parametrize("axes", ["PSR", "LAS", "IPR", "RAS"])
def test_axes_become_ras_and_places_stay(tmp_path, axes):
    original = nib.Nifti1Image(ball(), RAS_4MM)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(original.affine), nib.orientations.axcodes2ornt(axes)
    )
    nib.save(original.as_reoriented(turn), tmp_path / "x.nii.gz")
    read = read_image(tmp_path / "x.nii.gz")
    assert nib.aff2axcodes(read.affine) == ("R", "A", "S")
    np.testing.assert_allclose(read.affine, original.affine, atol=1e-4)
    straight = read_image(scan(tmp_path / "y.nii.gz", ball()))
    np.testing.assert_array_equal(read.data, straight.data)
    assert np.percentile(read.data[read.data > 0], 99.5) == pytest.approx(1, abs=0.01)

    mask = read.with_data(read.data > 0.5)
    write_like(tmp_path / "x.nii.gz", mask, tmp_path / "mask.nii.gz")
    written = nib.load(tmp_path / "mask.nii.gz")
    stored = nib.load(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(written.affine, stored.affine)
    bright = stored.get_fdata() > stored.get_fdata().max() / 2
    assert (written.get_fdata() > 0)[bright].mean() > 0.95
    assert (written.get_fdata() > 0)[~bright].mean() < 0.05


@settings(deadline=None)  # files are written, on machines that may be busy
@given(factor=st.floats(1e-3, 1e5), offset=st.floats(0, 10) | st.floats(-10, -0.25))
def test_units_and_an_added_constant_do_not_matter(tmp_path_factory, factor, offset):
    folder = tmp_path_factory.mktemp("units")
    one = read_image(scan(folder / "a.nii.gz", ball()))
    other = read_image(scan(folder / "b.nii.gz", ((ball() + offset) * factor).astype("f4")))
    np.testing.assert_allclose(one.data, other.data, atol=1e-3)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint16, np.float32, np.float64])
def test_number_types_do_not_matter(tmp_path, kind):
    scaled = (ball() * 200).round()
    one = read_image(scan(tmp_path / "a.nii.gz", scaled))
    other = read_image(scan(tmp_path / "b.nii.gz", scaled.astype(kind)))
    np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("padding", [-0.3, -2000])
def test_negative_padding_becomes_air_and_moves_nothing(tmp_path, padding):
    data = ball()
    data[:4] = 0
    straight = read_image(scan(tmp_path / "y.nii.gz", data))
    data[:4] = padding
    read = read_image(scan(tmp_path / "x.nii.gz", data))
    np.testing.assert_array_equal(read.data, straight.data)


def test_undershoot_of_interpolation_is_no_lost_constant(tmp_path):
    data = ball()
    data[:4] = 0
    straight = read_image(scan(tmp_path / "y.nii.gz", data))
    data[:4] -= np.linspace(0.01, 0.05, data[:4].size).reshape(data[:4].shape)
    read = read_image(scan(tmp_path / "x.nii.gz", data))
    np.testing.assert_array_equal(read.data, straight.data)


def test_a_surface_is_no_volume(tmp_path):
    nib.save(nib.gifti.GiftiImage(), tmp_path / "x.gii")
    assert code_of(tmp_path / "x.gii") == "unreadable"


@pytest.mark.parametrize("offset", [np.inf, 1e38])
def test_an_absurd_offset_is_unreadable(tmp_path, offset):
    path = scan(tmp_path / "x.nii", ball())
    raw = bytearray(path.read_bytes())
    raw[108:112] = struct.pack("<f", offset)  # vox_offset
    path.write_bytes(raw)
    assert code_of(path) == "unreadable"
