import torch
from torch import Tensor

from ldae.diffusion.losses import noise_loss, representation_loss, snr_weight
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.shift import posterior_shift

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)
T = torch.tensor([3, 500, 999])


def draws() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    z_0, noise = (torch.randn(3, 2, 2, 2, 2, generator=generator) for _ in range(2))
    return z_0, noise


def test_the_true_noise_costs_nothing() -> None:
    z_0, noise = draws()
    loss = noise_loss(lambda z, t: noise, SCHEDULE, z_0=z_0, noise=noise, t=T)
    assert loss.tolist() == [0, 0, 0]


def test_predicting_nothing_costs_each_sample_its_mean_squared_noise() -> None:
    z_0, noise = draws()
    loss = noise_loss(lambda z, t: torch.zeros_like(z), SCHEDULE, z_0=z_0, noise=noise, t=T)
    torch.testing.assert_close(loss, noise.square().flatten(1).mean(1))


def test_without_a_gradient_the_representation_loss_is_the_weighted_noise_loss() -> None:
    z_0, noise = draws()
    plain = noise_loss(lambda z, t: 0.5 * z, SCHEDULE, z_0=z_0, noise=noise, t=T)
    shifted = representation_loss(
        lambda z, t, y: (0.5 * z, torch.zeros_like(z)),
        SCHEDULE,
        z_0=z_0,
        noise=noise,
        t=T,
        y=torch.zeros(3, 1),
        snr_exponent=0.1,
    )
    torch.testing.assert_close(shifted, snr_weight(SCHEDULE, T, 0.1) * plain)


def test_the_gradient_that_explains_the_error_costs_nothing() -> None:
    z_0, noise = draws()
    gradient = noise / posterior_shift(SCHEDULE, T, like=noise)
    loss = representation_loss(
        lambda z, t, y: (torch.zeros_like(z), gradient),
        SCHEDULE,
        z_0=z_0,
        noise=noise,
        t=T,
        y=torch.zeros(3, 1),
        snr_exponent=0.1,
    )
    torch.testing.assert_close(loss, torch.zeros(3), rtol=0, atol=1e-12)
