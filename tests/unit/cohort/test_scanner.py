import numpy as np
import pytest

from ldae.cohort.anatomy import Brain, warp_shape
from ldae.cohort.clinic import SITES
from ldae.cohort.scanner import SCANNERS, Pose, Scanner, acquire, look, scan_shape, scanner_of
from ldae.cohort.template import Template

BRAIN = Brain(
    ventricle_push=1.0,
    cortical_loss=0.1,
    hippocampal_loss=0.1,
    csf=0.26,
    grey=0.65,
    white=0.87,
    scale=(1.0, 1.0, 1.0),
    warp=np.zeros((3, *warp_shape()), np.float32),
)
VOXEL = 4.0


def white_at(template: Template, rotation: list[float], shift: list[float]) -> np.ndarray:
    """White matter of the turned and shifted head, (X, Y, Z)."""
    pose = Pose(np.array(rotation, float), np.array(shift, float))
    return look(template, BRAIN, pose=pose, voxel_mm=VOXEL).white.reshape(scan_shape(VOXEL))


def centre_of_mass(volume: np.ndarray) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * VOXEL for n in volume.shape]
    grids = np.meshgrid(*axes, indexing="ij")
    return np.array([(grid * volume).sum() for grid in grids]) / volume.sum()


def test_a_shift_moves_the_head(template: Template) -> None:
    still = centre_of_mass(white_at(template, [0, 0, 0], [0, 0, 0]))
    moved = centre_of_mass(white_at(template, [0, 0, 0], [6, -9, 4]))
    np.testing.assert_allclose(moved - still, [6, -9, 4], atol=0.2)


def test_a_turn_about_the_long_axis_is_counterclockwise_from_above(template: Template) -> None:
    still = centre_of_mass(white_at(template, [0, 0, 0], [0, 0, 0]))
    turned = centre_of_mass(white_at(template, [0, 0, 90], [0, 0, 0]))
    np.testing.assert_allclose(turned, [-still[1], still[0], still[2]], atol=0.3)


def test_the_brain_is_far_from_the_borders(template: Template) -> None:
    volume = white_at(template, [0, 0, 0], [0, 0, 0]) > 0.05
    for axis, size in enumerate(volume.shape):
        inside = np.flatnonzero(volume.any(axis=tuple({0, 1, 2} - {axis})))
        assert inside[0] * VOXEL >= 25
        assert (size - 1 - inside[-1]) * VOXEL >= 25


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.model)
def test_stored_values_fit_twelve_bits_over_a_dark_noisy_background(
    template: Template, scanner: Scanner
) -> None:
    pose = Pose(np.zeros(3), np.zeros(3))
    parts = look(template, BRAIN, pose=pose, voxel_mm=VOXEL)
    rng = np.random.default_rng(0)
    volume = acquire(rng, parts, brain=BRAIN, scanner=scanner, voxel_mm=VOXEL)
    assert volume.dtype == np.uint16
    assert volume.shape == scan_shape(VOXEL)
    assert volume.max() < 4095
    white = (parts.white > 0.9).reshape(volume.shape)
    corner = volume[:3, :3, :3]
    assert corner.std() > 0
    assert corner.mean() < 0.08 * volume[white].mean()


def test_every_vendor_and_field_strength_is_met() -> None:
    met = {scanner_of(site) for site in SITES}
    assert met == set(SCANNERS)
