import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ldae.metrics.generation import (
    BLOCKS,
    Nearest,
    draw_codes,
    frechet_distance,
    pooled_features,
    root_mean_square_differences,
)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_drawn_codes_are_like_the_known_ones_and_copies_of_none() -> None:
    generator = np.random.default_rng(0)
    mixing = np.diag([5.0, 1.0, 0.1]) @ generator.normal(size=(3, 3))
    known = generator.normal(size=(2000, 3)) @ mixing + [100.0, 0.0, -1.0]
    drawn = draw_codes(known, 20_000, seeds=[1])
    scale = known.std(axis=0)
    np.testing.assert_allclose(drawn.mean(axis=0) / scale, known.mean(axis=0) / scale, atol=0.03)
    np.testing.assert_allclose(
        np.cov(drawn.T) / np.outer(scale, scale),
        np.cov(known.T) / np.outer(scale, scale),
        atol=0.05,
    )
    nearest = np.abs(drawn[:50, None] - known[None]).max(axis=2).min(axis=1)
    assert (nearest > 0).all()


def test_codes_can_be_drawn_where_dimensions_outnumber_scans() -> None:
    known = np.random.default_rng(2).normal(size=(5, 30))
    drawn = draw_codes(known, 9, seeds=[1])
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn[:4], draw_codes(known, 4, seeds=[1]), rtol=1e-5, atol=1e-6)


def test_frechet_distance_of_known_gaussians() -> None:
    """N(0, 1) and N(m, s²) in F dimensions: F (m² + (s - 1)²)."""
    one, other = normal(0, 20_000, 3), 2 + 3 * normal(1, 20_000, 3)
    assert frechet_distance(one, other) == pytest.approx(3 * (2**2 + (3 - 1) ** 2), rel=0.03)
    assert frechet_distance(one, normal(2, 20_000, 3)) == pytest.approx(0, abs=0.01)


def test_a_set_is_at_no_distance_from_itself_even_with_fewer_members_than_features() -> None:
    features = normal(0, 8, 80)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(features, normal(1, 60, 80)) > 1


def test_one_volume_has_no_covariance() -> None:
    assert math.isnan(frechet_distance(normal(0, 1, 3), normal(1, 9, 3)))


def test_a_root_that_is_not_real_is_said_as_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Tensor) -> Tensor:
        raise ValueError("Imaginary component too high")

    monkeypatch.setattr("ldae.metrics.generation.FIDMetric", lambda: fails)
    assert math.isnan(frechet_distance(normal(0, 4, 2), normal(1, 4, 2)))


def test_pooled_features_are_block_means() -> None:
    x = normal(0, 2, 1, 8, 10, 12)
    features = pooled_features(x)
    assert features.shape == (2, BLOCKS[0] * BLOCKS[1] * BLOCKS[2])
    torch.testing.assert_close(features[:, 0], x[:, 0, :2, :2, :3].mean(dim=(1, 2, 3)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 5))
def test_differences_are_those_of_every_pair(seed: int, n: int, m: int) -> None:
    a, b = normal(seed, n, 1, 3, 4, 5), normal(seed + 1, m, 1, 3, 4, 5)
    pairs = (a[:, None] - b[None]).square().mean(dim=(2, 3, 4, 5)).sqrt()
    torch.testing.assert_close(root_mean_square_differences(a, b), pairs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_nearest_is_found_whatever_the_batches(batch: int) -> None:
    few, many = normal(0, 3, 1, 2, 2, 2), normal(1, 7, 1, 2, 2, 2)
    many[5] = few[2]
    nearest = Nearest(few)
    for part in many.split(batch):
        nearest.see(part)
    pairs = root_mean_square_differences(few, many)
    torch.testing.assert_close(nearest.distance, pairs.min(dim=1).values, rtol=0, atol=1e-3)
    assert nearest.position.tolist() == pairs.argmin(dim=1).tolist()
    assert int(nearest.position[2]) == 5
    assert float(nearest.distance[2]) == pytest.approx(0, abs=1e-3)
