from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ldae.diffusion.losses import snr_weight
from ldae.diffusion.schedule import NoiseSchedule, inference_timesteps
from ldae.diffusion.shift import posterior_shift, score_shift

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)


def test_tables_are_the_products_of_a_float64_recursion() -> None:
    betas = np.linspace(1e-4, 0.02, 1000)
    alpha_bar = np.empty(1000)
    product = 1.0
    for t, beta in enumerate(betas):
        product *= 1 - beta
        alpha_bar[t] = product
    assert SCHEDULE.alpha_bar.dtype == torch.float32
    np.testing.assert_allclose(SCHEDULE.exact_alpha_bar.numpy(), alpha_bar, rtol=1e-12)
    np.testing.assert_allclose(SCHEDULE.sigma.numpy(), np.sqrt(1 - alpha_bar), rtol=1e-7)
    np.testing.assert_allclose(SCHEDULE.snr.numpy(), alpha_bar / (1 - alpha_bar), rtol=1e-7)


def test_the_first_time_already_carries_noise() -> None:
    assert SCHEDULE.alpha_bar[0].item() == pytest.approx(1 - 1e-4)
    assert SCHEDULE.sigma[0].item() == pytest.approx(0.01)


def test_signal_and_noise_share_unit_variance() -> None:
    torch.testing.assert_close(
        SCHEDULE.signal.square() + SCHEDULE.sigma.square(), torch.ones(1000), rtol=0, atol=1e-6
    )


def test_noise_is_added_per_sample() -> None:
    z_0, noise = torch.ones(2, 1, 2, 2, 2), torch.full((2, 1, 2, 2, 2), 2.0)
    z_t = SCHEDULE.add_noise(z_0, noise, torch.tensor([0, 999]))
    for sample, t in ((0, 0), (1, 999)):
        expected = SCHEDULE.signal[t] + 2 * SCHEDULE.sigma[t]
        torch.testing.assert_close(z_t[sample], expected.expand(1, 2, 2, 2))


def test_the_two_shifts_differ_only_near_the_clean_end() -> None:
    t = torch.tensor([0, 1, 10, 100, 999])
    like = torch.zeros(5, 1)
    ratio = (posterior_shift(SCHEDULE, t, like) / score_shift(SCHEDULE, t, like)).flatten()
    expected = torch.tensor([0.0, 0.45, 0.86, 0.98, 0.99])
    torch.testing.assert_close(ratio, expected, rtol=0, atol=0.006)


def test_the_loss_weight_peaks_between_the_ends() -> None:
    weight = snr_weight(SCHEDULE, torch.arange(1000), 0.1)
    assert weight.argmax().item() == 475
    assert weight.max().item() == pytest.approx(0.7225, abs=1e-4)
    assert weight[0].item() == pytest.approx(2.5e-4, rel=0.02)
    assert weight[999].item() == pytest.approx(0.364, abs=1e-3)


@given(timesteps=st.integers(2, 1000), steps=st.integers(1, 1000))
def test_inference_times_rise_from_the_first_to_the_last(timesteps: int, steps: int) -> None:
    times = inference_timesteps(timesteps, steps)
    assert times[0] == 0
    assert times[-1] == timesteps - 1
    assert all(earlier < later for earlier, later in pairwise(times))
    assert len(times) <= steps + 1


def test_ten_steps_visit_the_published_times() -> None:
    assert inference_timesteps(1000, 10) == [0, 99, 199, 299, 399, 499, 599, 699, 799, 899, 999]
