"""The noise schedule: how much of a clean sample is left at diffusion time t."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class NoiseSchedule:
    """Tables over t = 0..T-1, derived in float64; t = 0 already carries noise.

    Attributes:
        exact_alpha_bar: (T,) float64, on the CPU: what DDIM coefficients are computed from.
        alpha: (T,) float32, 1 - beta_t.
        alpha_bar: (T,) float32, product of alpha_0..alpha_t.
        signal: (T,) float32, sqrt(alpha_bar).
        sigma: (T,) float32, sqrt(1 - alpha_bar).
        snr: (T,) float32, alpha_bar / (1 - alpha_bar).
        posterior_shift: (T,) float32, factor of the gradient in the mean of q(z_{t-1} | z_t, y).
    """

    exact_alpha_bar: Tensor
    alpha: Tensor
    alpha_bar: Tensor
    signal: Tensor
    sigma: Tensor
    snr: Tensor
    posterior_shift: Tensor

    @classmethod
    def linear(cls, timesteps: int, beta_start: float, beta_end: float) -> Self:
        """Variances rise linearly, both ends included (DDPM, Ho et al. 2020)."""
        return cls.from_betas(torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64))

    @classmethod
    def from_betas(cls, betas: Tensor) -> Self:
        """The tables of the variances `betas` (T,), float64."""
        alpha = 1 - betas
        alpha_bar = alpha.cumprod(0)
        before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
        return cls(
            exact_alpha_bar=alpha_bar,
            alpha=alpha.float(),
            alpha_bar=alpha_bar.float(),
            signal=alpha_bar.sqrt().float(),
            sigma=(1 - alpha_bar).sqrt().float(),
            snr=(alpha_bar / (1 - alpha_bar)).float(),
            # PDAE (Zhang et al. 2022), in units of eps: 0 at t = 0, where nothing is left to shift
            posterior_shift=(-alpha.sqrt() * (1 - before) / (1 - alpha_bar).sqrt()).float(),
        )

    @property
    def timesteps(self) -> int:
        """T."""
        return len(self.exact_alpha_bar)

    def to(self, device: torch.device) -> "NoiseSchedule":
        """The same tables on `device`; the exact one stays on the CPU."""
        return replace(
            self,
            alpha=self.alpha.to(device),
            alpha_bar=self.alpha_bar.to(device),
            signal=self.signal.to(device),
            sigma=self.sigma.to(device),
            snr=self.snr.to(device),
            posterior_shift=self.posterior_shift.to(device),
        )

    def add_noise(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) noise; z_0 (B, ...), t (B,)."""
        return at(self.signal, t, z_0) * z_0 + at(self.sigma, t, z_0) * noise


def at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Entries `t` (B,) of `table` (T,), shaped (B, 1, ...) to multiply `like` (B, ...)."""
    return table[t].view(-1, *[1] * (like.ndim - 1))


def inference_timesteps(timesteps: int, steps: int) -> list[int]:
    """The rising times a DDIM run of `steps` network calls visits, 0 and `timesteps` - 1 included.

    There is one more time than calls: sampling ends at t = 0 without a call there, inversion starts
    there and makes no call at the last time. `steps` close to `timesteps` gives fewer, since times
    are whole numbers.
    """
    times = torch.linspace(0, timesteps - 1, steps + 1, dtype=torch.float64)
    return sorted({int(time) for time in times.tolist()})
