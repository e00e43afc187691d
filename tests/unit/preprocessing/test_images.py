"""Geometry is exact: coarsening, resampling, cutting; what is written repeats to the byte."""

import numpy as np
import pytest

from ldae.preprocessing.images import (
    Image,
    around,
    coarsen,
    pearson,
    resample,
    write_image,
)

SHAPE = (40, 44, 36)


def noise(shape=SHAPE):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


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


def test_correlation_is_pearsons_whatever_the_offset():
    one, other = noise().ravel(), noise()[::-1].ravel() + 0.5 * noise().ravel() + 1000
    expected = np.corrcoef(one.astype(float), other.astype(float))[0, 1]
    assert pearson(one, other, otherwise=0.0) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("one", [np.ones(500, np.float32), np.arange(50, dtype=np.float32)])
def test_too_few_or_equal_voxels_have_no_correlation(one):
    assert pearson(one, one, otherwise=-1.0) == -1.0
