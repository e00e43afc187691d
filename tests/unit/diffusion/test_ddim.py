import math

import pytest
import torch
from torch import Tensor

from ldae.diffusion.ddim import EpsFn, ddim_step, invert, sample
from ldae.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)
MEAN, STD = 0.3, 0.7


def exact_eps(z: Tensor, t: Tensor) -> Tensor:
    """The noise the score of N(MEAN, STD^2) implies at time t: -sigma * score."""
    alpha_bar = SCHEDULE.exact_alpha_bar[t][:, None]
    variance = alpha_bar * STD**2 + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (z - alpha_bar.sqrt() * MEAN) / variance


def normal(count: int, seed: int) -> Tensor:
    return torch.randn(count, 1, generator=torch.Generator().manual_seed(seed)).double()


def round_trip_error(steps: int) -> float:
    z_0 = MEAN + STD * normal(4000, seed=0)
    terminal = invert(exact_eps, z_0, SCHEDULE, steps=steps)
    return float((sample(exact_eps, terminal, SCHEDULE, steps=steps) - z_0).square().mean().sqrt())


@pytest.mark.parametrize(("steps", "error"), [(10, 0.25), (50, 0.06), (100, 0.03), (250, 0.012)])
def test_inversion_of_gaussian_data_tightens_with_the_steps(steps: int, error: float) -> None:
    assert round_trip_error(steps) == pytest.approx(error, rel=0.03)


def test_with_every_step_a_round_trip_is_all_but_exact() -> None:
    assert round_trip_error(999) < 0.004


def test_inversion_of_gaussian_data_ends_in_unit_noise() -> None:
    z_0 = MEAN + STD * normal(20_000, seed=1)
    terminal = invert(exact_eps, z_0, SCHEDULE, steps=250)
    assert abs(float(terminal.mean())) < 0.02
    assert float(terminal.std()) == pytest.approx(1, abs=0.02)


def test_sampling_noise_gives_the_data_distribution() -> None:
    z_0 = sample(exact_eps, normal(20_000, seed=2), SCHEDULE, steps=250)
    assert float(z_0.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(z_0.std()) == pytest.approx(STD, abs=0.03)


def test_a_bound_below_the_datas_spread_narrows_what_is_sampled() -> None:
    def unit_eps(z: Tensor, t: Tensor) -> Tensor:
        return (1 - SCHEDULE.exact_alpha_bar[t][:, None]).sqrt() * z

    terminal = normal(20_000, seed=3)
    free = sample(unit_eps, terminal, SCHEDULE, steps=100)
    bound = sample(unit_eps, terminal, SCHEDULE, steps=100, clip=1.0)
    assert float(free.std()) == pytest.approx(0.98, abs=0.02)
    assert float(bound.std()) == pytest.approx(0.72, abs=0.02)
    assert float(bound.abs().max()) < 1.1


def test_the_bound_lets_a_sample_beyond_it_pass_whatever_the_noise_predicted() -> None:
    z_0 = torch.tensor([[2.5, -1.8]]).double()
    there = invert(lambda z, t: 0.5 * z.tanh(), z_0, SCHEDULE, steps=50, clip=1.0)
    back = sample(lambda z, t: -0.9 * z.tanh(), there, SCHEDULE, steps=50, clip=1.0)
    torch.testing.assert_close(back, z_0, rtol=0, atol=0.02)
    free = invert(lambda z, t: 0.5 * z.tanh(), z_0, SCHEDULE, steps=50)
    other = sample(lambda z, t: -0.9 * z.tanh(), free, SCHEDULE, steps=50)
    assert float((other - z_0).abs().min()) > 0.5


def test_a_step_forth_and_back_along_the_same_noise_is_the_identity() -> None:
    z, eps = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    there = ddim_step(z, eps, alpha_bar=0.9, alpha_bar_next=0.4, clip=None)
    back = ddim_step(there, eps, alpha_bar=0.4, alpha_bar_next=0.9, clip=None)
    torch.testing.assert_close(back, z)


def test_the_bound_holds_for_the_predicted_clean_sample_and_noise_absorbs_the_rest() -> None:
    z = torch.tensor([[5.0, 0.1]])
    stepped = ddim_step(z, torch.zeros(1, 2), alpha_bar=0.5, alpha_bar_next=0.8, clip=1.0)
    clipped = 1.0
    noise = (5 / math.sqrt(0.5) - clipped) / math.sqrt(1 / 0.5 - 1)
    expected = math.sqrt(0.8) * clipped + math.sqrt(0.2) * noise
    assert stepped[0, 0].item() == pytest.approx(expected)
    free = ddim_step(z, torch.zeros(1, 2), alpha_bar=0.5, alpha_bar_next=0.8, clip=None)
    assert stepped[0, 1].item() == pytest.approx(free[0, 1].item())


@pytest.mark.parametrize("walk", [sample, invert])
def test_the_network_is_called_once_per_step_at_the_time_it_leaves(walk) -> None:
    times: list[int] = []

    def eps_fn(z: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (3,)
        assert t.unique().numel() == 1
        times.append(int(t[0]))
        return torch.zeros_like(z)

    walk(eps_fn, torch.randn(3, 2), SCHEDULE, steps=4)
    expected = {sample: [999, 749, 499, 249], invert: [0, 249, 499, 749]}
    assert times == expected[walk]


def test_samples_do_not_depend_on_their_batch() -> None:
    eps_fn: EpsFn = lambda z, t: 0.1 * z.tanh()  # noqa: E731
    terminal = torch.randn(4, 2, 3)
    together = sample(eps_fn, terminal, SCHEDULE, steps=5)
    alone = torch.cat([sample(eps_fn, z[None], SCHEDULE, steps=5) for z in terminal])
    torch.testing.assert_close(together, alone)
