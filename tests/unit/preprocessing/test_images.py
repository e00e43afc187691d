"""Reading refuses what cannot be a head, by name; geometry is exact."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, around, coarsen, read_image, resample, write_image

SHAPE = (40, 44, 36)


def scan(path, data, affine=None):
    nib.save(nib.Nifti1Image(data, np.diag([4, 4, 4, 1.0]) if affine is None else affine), path)
    return path


def noise(shape=SHAPE):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def sheared():
    affine = np.diag([4, 4, 4, 1.0])
    affine[0, 1] = 1.0
    return affine


def with_nan():
    data = noise()
    data[3, 4, 5] = np.nan
    return data


@pytest.mark.parametrize(
    ("code", "data", "affine"),
    [
        ("empty", np.zeros(SHAPE, np.int16), None),
        ("empty", np.full(SHAPE, 7, np.int16), None),
        ("empty", -noise() - 1, None),
        ("not-finite", with_nan(), None),
        ("not-3d", noise((*SHAPE, 3)), None),
        ("not-3d", noise((64, 64)), None),
        ("small-field-of-view", noise((40, 44, 10)), None),
        ("sheared-affine", noise(), sheared()),
    ],
)
def test_bad_content_is_named(tmp_path, code, data, affine):
    with pytest.raises(ScanError) as caught:
        read_image(scan(tmp_path / "x.nii.gz", data, affine))
    assert caught.value.code == code
    assert str(caught.value).startswith(f"{code}: ")


@pytest.mark.parametrize("rows", [[0, 0, 0], [1, 0, 0]], ids=["zero column", "parallel columns"])
def test_singular_affine_is_named(tmp_path, rows):
    path = scan(tmp_path / "x.nii", noise())
    singular = np.diag([4.0, 4, 4, 1]).astype("<f4")
    singular[:3, 1] = np.array(rows) * 4
    raw = bytearray(path.read_bytes())
    raw[280:328] = singular[:3].tobytes()  # srow_x, srow_y, srow_z
    path.write_bytes(raw)
    with pytest.raises(ScanError) as caught:
        read_image(path)
    assert caught.value.code == "singular-affine"


@pytest.mark.parametrize("keep", [0, 10, 400, 20_000])
def test_truncated_file_is_unreadable(tmp_path, keep):
    path = scan(tmp_path / "x.nii.gz", noise())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ScanError, match=r"^unreadable: "):
        read_image(path)


def test_text_in_a_gzip_is_unreadable(tmp_path):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(gzip.compress(b"not an image " * 100))
    with pytest.raises(ScanError, match=r"^unreadable: "):
        read_image(path)


def test_one_volume_of_a_series_is_accepted(tmp_path):
    assert read_image(scan(tmp_path / "x.nii.gz", noise((*SHAPE, 1)))).data.shape == SHAPE


@pytest.mark.parametrize("axes", ["PSR", "LAS", "IPR", "RAS"])
def test_axes_become_ras_and_places_stay(tmp_path, axes):
    original = nib.Nifti1Image(noise(), np.diag([4, 4, 4, 1.0]))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(original.affine), nib.orientations.axcodes2ornt(axes)
    )
    turned = original.as_reoriented(turn)
    nib.save(turned, tmp_path / "x.nii.gz")
    read = read_image(tmp_path / "x.nii.gz")
    assert nib.aff2axcodes(read.affine) == ("R", "A", "S")
    np.testing.assert_allclose(read.affine, original.affine, atol=1e-4)
    expected = noise() / np.percentile(noise(), 99.5)
    np.testing.assert_allclose(read.data, expected, rtol=1e-5)


def test_units_of_intensity_do_not_matter(tmp_path):
    one = read_image(scan(tmp_path / "a.nii.gz", noise()))
    other = read_image(scan(tmp_path / "b.nii.gz", noise() * 1000))
    np.testing.assert_allclose(one.data, other.data, rtol=1e-5)


def test_coarsening_keeps_the_mean_and_the_place_of_a_ball():
    points = np.indices((60, 50, 40)) * 1.0
    ball = Image(
        (((points - np.array([30, 22, 18])[:, None, None, None]) ** 2).sum(0) < 144).astype("f4"),
        np.diag([1.0, 1, 1, 1]),
    )
    coarse = coarsen(ball, 3.0)
    assert coarse.spacing == pytest.approx([3, 3, 3])
    assert coarse.data.sum() * 27 == pytest.approx(ball.data.sum(), rel=0.02)
    where = np.tensordot(coarse.data, np.indices(coarse.data.shape), ((0, 1, 2), (1, 2, 3)))
    middle = coarse.affine[:3, :3] @ (where / coarse.data.sum()) + coarse.affine[:3, 3]
    assert middle == pytest.approx([30, 22, 18], abs=0.1)


def test_coarsening_leaves_coarser_voxels_alone():
    image = Image(noise(), np.diag([4.0, 4, 4, 1]))
    assert coarsen(image, 2.0) is image


def test_fine_stripes_do_not_alias():
    stripes = np.broadcast_to(np.arange(64) % 2, (64, 64, 64)).astype(np.float32)
    coarse = coarsen(Image(stripes, np.eye(4)), 4.0)
    assert coarse.data[4:-4, 4:-4, 4:-4] == pytest.approx(0.5, abs=0.01)


def test_resampling_a_linear_ramp_is_exact():
    ramp = Image(np.indices((20, 20, 20))[1].astype(np.float32), np.diag([2.0, 2, 2, 1]))
    grid = Image(
        np.zeros((5, 6, 7), np.float32),
        np.array([[1.0, 0, 0, 9], [0, 1, 0, 10], [0, 0, 1, 11], [0, 0, 0, 1]]),
    )
    shift = np.eye(4)
    shift[1, 3] = 3.0
    expected = (10 + np.arange(6) + 3) / 2
    np.testing.assert_allclose(resample(ramp, grid, shift).data[2, :, 3], expected, rtol=1e-6)


def test_cutting_keeps_places():
    image = Image(noise(), np.diag([4.0, 4, 4, 1]))
    mask = np.zeros(SHAPE, bool)
    mask[10:15, 20:30, 8:12] = True
    cut = around(image, mask, 8.0)
    assert cut.data.shape == (9, 14, 8)
    np.testing.assert_array_equal(resample(image, cut).data, cut.data)


def test_same_voxels_same_bytes(tmp_path):
    image = Image(noise(), np.diag([4.0, 4, 4, 1]))
    for name in "ab":
        write_image(image, tmp_path / f"{name}.nii.gz", np.float32)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
