import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ldae.models.voxel_pca import VoxelPca


def volumes(count, shape=(6, 8, 6), seed=0):
    """Three patterns of falling strength, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.randn(3, *shape, generator=torch.Generator().manual_seed(99))
    strengths = torch.randn(count, 3, generator=generator) * torch.tensor([4.0, 2.0, 1.0])
    noise = 0.01 * torch.randn(count, *shape, generator=generator)
    return 5 + torch.einsum("nk,kxyz->nxyz", strengths, patterns) + noise


def test_components_are_those_of_the_exact_solver():
    known, new = volumes(40), volumes(5, seed=1)
    fitted = VoxelPca.fit(known, components=3, pool=1, seed=0)
    exact = PCA(3, svd_solver="full").fit(known.flatten(1).numpy())
    expected = exact.transform(new.flatten(1).numpy())
    found = torch.stack([fitted.encode(volume) for volume in new]).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-3)
    for row, reference in zip(fitted.components.numpy(), exact.components_, strict=True):
        assert abs(row @ reference) == pytest.approx(1, abs=1e-4)


def test_averaging_keeps_smooth_patterns():
    shape = (8, 8, 8)
    ramp = torch.linspace(-1, 1, 8)[:, None, None].expand(shape)
    known = torch.stack([strength * ramp for strength in torch.linspace(-2, 2, 9)])
    fitted = VoxelPca.fit(known, components=1, pool=2, seed=0)
    scores = torch.stack([fitted.encode(volume) for volume in known])[:, 0]
    steps = scores.diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-4, atol=1e-4)


def test_edges_that_fill_no_cube_count_too():
    fitted = VoxelPca.fit(volumes(6, shape=(5, 4, 3)), components=2, pool=2, seed=0)
    assert fitted.components.shape == (2, 3 * 2 * 2)


def test_there_are_fewer_components_than_volumes():
    assert len(VoxelPca.fit(volumes(5), components=60, pool=1, seed=0).components) == 4


def test_same_seed_same_bytes():
    one, again = (VoxelPca.fit(volumes(30), components=5, pool=2, seed=3) for _ in range(2))
    assert torch.equal(one.components, again.components)
