import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ldae.diffusion.interpolation import lerp, slerp


def noise(seed: int) -> torch.Tensor:
    return torch.randn(3, 2, 3, 3, 3, generator=torch.Generator().manual_seed(seed))


@given(fraction=st.floats(0, 1))
def test_straight_paths_are_convex_combinations(fraction: float) -> None:
    a, b = noise(0), noise(1)
    torch.testing.assert_close(lerp(a, b, fraction), a + fraction * (b - a), rtol=0, atol=1e-5)


def test_arcs_start_and_end_where_they_should() -> None:
    a, b = noise(0), noise(1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)


@given(fraction=st.floats(0, 1))
def test_arcs_between_unit_vectors_stay_on_the_sphere(fraction: float) -> None:
    a, b = (v / v.flatten(1).norm(dim=1).view(-1, 1, 1, 1, 1) for v in (noise(2), noise(3)))
    norms = slerp(a, b, fraction).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(3), rtol=0, atol=1e-5)


def test_a_quarter_turn_is_halved() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(slerp(a, b, 0.5), torch.full((1, 2), math.sqrt(0.5)))


def test_each_sample_has_its_own_angle() -> None:
    a, b = noise(0), noise(1)
    b[0] = a[0] + 0.1 * b[0]
    together = slerp(a, b, 0.3)
    alone = torch.cat([slerp(x[None], y[None], 0.3) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-7, -1.0])
def test_parallel_and_opposite_samples_are_joined_by_a_straight_line(factor: float) -> None:
    a = noise(0)
    torch.testing.assert_close(slerp(a, factor * a, 0.3), lerp(a, factor * a, 0.3))
