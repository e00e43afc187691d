import numpy as np
import pytest
import torch

from ldae.metrics.regions import (
    CHANGED,
    Regions,
    change,
    change_focus,
    fluid_share,
    region_volumes,
    tissue_means,
)

SHAPE = (40, 40, 40)
VOXEL_ML = 0.027  # 3 mm
AXES = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij", sparse=True)
DISTANCE = np.sqrt(sum(axis**2 for axis in AXES))
BRAIN = DISTANCE < 19
FLUID, GREY, WHITE = 0.25, 0.65, 0.9


def ball(radius, centre=(0.0, 0.0, 0.0)):
    """Shares of voxels within a ball, in voxels, to one eighth of a voxel's edge."""
    distance = np.sqrt(sum((axis - at) ** 2 for axis, at in zip(AXES, centre, strict=True)))
    return np.clip(radius - distance + 0.5, 0, 1)


def phantom(ventricle, noise=0.0):
    """White matter in shells of grey and fluid; in it a ball of fluid, of a radius in voxels."""
    matter = np.select([DISTANCE > 18, DISTANCE > 15], [FLUID, GREY], WHITE)
    fluid = ball(ventricle)
    volume = fluid * FLUID + (1 - fluid) * matter
    volume += np.random.default_rng(0).normal(0, noise, SHAPE)
    return np.clip(volume, 0, 1) * BRAIN


REGIONS = Regions(ventricles=ball(10), hippocampi=ball(3, (0, 0, 12)), voxel_ml=VOXEL_ML)


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("radius", [4.0, 5.0, 7.0])
def test_the_volume_of_a_known_ventricle_is_found(radius, noise):
    found = region_volumes(phantom(radius, noise), BRAIN, REGIONS)["ventricle_ml"]
    known = 4 / 3 * np.pi * radius**3 * VOXEL_ML
    assert found == pytest.approx(known, rel=0.15)  # the rim beside white matter is lost


def test_a_larger_ventricle_is_a_larger_number():
    radii = np.linspace(3, 8, 21)
    found = [region_volumes(phantom(r), BRAIN, REGIONS)["ventricle_ml"] for r in radii]
    assert (np.diff(found) > 0).all()


def test_tissue_at_the_hippocampi_shrinks_as_fluid_takes_its_place():
    volume = phantom(4.0)
    whole = region_volumes(volume, BRAIN, REGIONS)["hippocampus_ml"]
    assert whole == pytest.approx(REGIONS.hippocampi.sum() * VOXEL_ML, rel=0.05)
    hole = ball(2, (0, 0, 12))
    shrunk = hole * FLUID + (1 - hole) * volume
    lost = whole - region_volumes(shrunk, BRAIN, REGIONS)["hippocampus_ml"]
    assert 0.6 < lost / (hole.sum() * VOXEL_ML) < 1.05  # small as it is, it is mostly rim


def test_volumes_do_not_change_with_the_brightness_of_all():
    one, other = (
        region_volumes(phantom(5.0) * gain, BRAIN, REGIONS)["ventricle_ml"] for gain in (1, 0.8)
    )
    assert one == pytest.approx(other, rel=0.02)


def test_classes_are_found_as_they_were_mixed():
    generator = np.random.default_rng(1)
    values = np.concatenate([generator.normal(m, 0.02, 5000) for m in (FLUID, GREY, WHITE)])
    np.testing.assert_allclose(tissue_means(values), (FLUID, GREY, WHITE), atol=0.01)


def test_half_a_voxel_of_fluid_is_half_a_voxel():
    volume = np.full((3, 3, 3), GREY)
    volume[0], volume[2] = FLUID, WHITE
    volume[1, 1, 1] = (FLUID + GREY) / 2
    inside = np.ones((3, 3, 3), bool)
    inside[1, 1, 1] = False  # the classes' means are exact without it
    assert fluid_share(volume, inside)[1, 1, 1] == pytest.approx(0.5, abs=0.02)


def test_where_there_is_nothing_to_measure_there_is_no_number():
    flat = region_volumes(np.full(SHAPE, 0.5), BRAIN, REGIONS)
    nowhere = region_volumes(phantom(4.0), np.zeros(SHAPE, bool), REGIONS)
    for volumes in (flat, nowhere):
        assert np.isnan(list(volumes.values())).all()


def as_batch(*volumes):
    return torch.from_numpy(np.stack(volumes))[:, None]


def test_change_is_told_from_what_stayed():
    before = as_batch(phantom(4.0), phantom(4.0))
    hole = ball(2, (0, 0, 12))
    after = as_batch(phantom(4.0), phantom(4.0) - 0.3 * hole)
    told = change(after, before, as_batch(BRAIN, BRAIN), window=3)
    assert told["changed_share"][0] == 0
    share = (0.3 * hole > CHANGED)[BRAIN].mean()
    assert float(told["changed_share"][1]) == pytest.approx(share, rel=1e-4)
    assert float(told["ssim_outside"][0]) == pytest.approx(1)
    assert float(told["ssim_outside"][1]) == pytest.approx(1, abs=1e-3)
    assert float(told["mse_outside"][1]) < CHANGED**2


def test_the_rest_is_compared_only_where_windows_lie_wholly_in_it():
    before = as_batch(phantom(4.0))
    told = change(1 - before, before, as_batch(BRAIN), window=3)
    assert told["changed_share"][0] > 0.9
    everything = change(before + 0.5, before, as_batch(BRAIN), window=3)
    assert torch.isnan(everything["ssim_outside"]).all()


def test_focus_compares_change_in_the_regions_with_the_rest():
    before = phantom(4.0)
    evenly = change_focus(before + 0.1, before, BRAIN, REGIONS)
    assert evenly == pytest.approx(1)
    focused = change_focus(before - 0.1 * ball(6) + 0.01, before, BRAIN, REGIONS)
    assert focused > 2
    assert np.isnan(change_focus(before, before, BRAIN, REGIONS))
