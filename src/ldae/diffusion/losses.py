"""Training losses, one number per sample: to be averaged, weighted or told apart by time."""

from collections.abc import Callable

from torch import Tensor

from ldae.diffusion.ddim import EpsFn
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.shift import posterior_shift

ShiftFn = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def noise_loss(
    eps_fn: EpsFn, schedule: NoiseSchedule, *, z_0: Tensor, noise: Tensor, t: Tensor
) -> Tensor:
    """Mean squared error (B,) of the predicted noise at times `t` (B,), unweighted (DDPM)."""
    eps = eps_fn(schedule.add_noise(z_0, noise, t), t)
    return (noise - eps).square().flatten(1).mean(1)


def representation_loss(
    shift_fn: ShiftFn,
    schedule: NoiseSchedule,
    *,
    z_0: Tensor,
    noise: Tensor,
    t: Tensor,
    y: Tensor,
    snr_exponent: float,
) -> Tensor:
    """Weighted squared error (B,) of the noise shifted by the gradient of `y` (PDAE, eq. 9).

    `shift_fn(z_t, t, y)` gives the frozen model's noise and the gradient.
    """
    eps, gradient = shift_fn(schedule.add_noise(z_0, noise, t), t, y)
    error = noise - eps - posterior_shift(schedule, t, like=z_0) * gradient
    return snr_weight(schedule, t, snr_exponent) * error.square().flatten(1).mean(1)


def snr_weight(schedule: NoiseSchedule, t: Tensor, exponent: float) -> Tensor:
    """snr^exponent / (1 + snr) at times `t` (B,): little for the nearly clean, most in between."""
    snr = schedule.snr[t]
    return snr**exponent / (1 + snr)
