import nibabel as nib
import numpy as np
import pytest

from ldae.data.regions import regions_like, regions_on_grid


def grid(spacing, shape):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.array([0, -18, 9]) - (np.array(shape) - 1) / 2 * spacing
    return shape, affine


@pytest.fixture(scope="module")
def coarse():
    return regions_on_grid(*grid(6.5, (24, 32, 24)))


def test_regions_are_shares_of_voxels(coarse):
    *shares, voxel_ml = coarse
    assert voxel_ml == pytest.approx(0.65**3)
    for share in shares:
        assert share.shape == (24, 32, 24)
        assert 0 <= share.min() <= share.max() <= 1


def test_hippocampal_regions_have_the_ellipsoids_volume_and_places(coarse):
    _, hippocampi, voxel_ml = coarse
    expected = 2 * 4 / 3 * np.pi * 0.9 * 1.8 * 0.9  # ml
    assert hippocampi.sum() * voxel_ml == pytest.approx(expected, rel=0.05)
    _, affine = grid(6.5, (24, 32, 24))
    right = np.argwhere(hippocampi[12:] > 0.2) + np.array([12, 0, 0])
    centre = nib.affines.apply_affine(affine, right.mean(axis=0))
    np.testing.assert_allclose(centre, [27, -21, -15], atol=4)


def test_sides_mirror_each_other(coarse):
    for share in coarse[:2]:
        np.testing.assert_allclose(share, share[::-1], atol=0.12)


def test_a_region_is_as_large_on_any_grid(coarse):
    fine = regions_on_grid(*grid(3.0, (52, 70, 52)))
    for one, other in zip(coarse[:2], fine[:2], strict=True):
        assert one.sum() * coarse[2] == pytest.approx(other.sum() * fine[2], rel=0.04)


def test_ventricles_lie_in_the_middle_and_apart_from_hippocampi(coarse):
    ventricles, hippocampi, voxel_ml = coarse
    assert 80 < ventricles.sum() * voxel_ml < 250
    assert (ventricles * hippocampi).sum() < 0.1 * hippocampi.sum()


def test_the_grid_is_read_from_a_volume(tmp_path, coarse):
    shape, affine = grid(6.5, (24, 32, 24))
    nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), affine), tmp_path / "v.nii.gz")
    for one, other in zip(regions_like(tmp_path / "v.nii.gz")[:2], coarse[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
