"""Deterministic DDIM (Song et al. 2021): one step, walked down to sample and up to invert.

`z` may be any (B, ...) tensor; the network is seen as one callable eps(z, t) with t (B,) integers.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ldae.diffusion.schedule import NoiseSchedule, inference_timesteps

EpsFn = Callable[[Tensor, Tensor], Tensor]


def ddim_step(
    z: Tensor, eps: Tensor, *, alpha_bar: float, alpha_bar_next: float, clip: float | None
) -> Tensor:
    """Move `z` from `alpha_bar` to `alpha_bar_next` along the predicted noise (eq. 12, sigma = 0).

    With `clip`, the predicted clean sample is bounded to [-clip, clip] and the noise re-derived.
    """
    z_0 = z / math.sqrt(alpha_bar) - math.sqrt(1 / alpha_bar - 1) * eps
    if clip is not None:
        z_0 = z_0.clamp(-clip, clip)
        eps = (z / math.sqrt(alpha_bar) - z_0) / math.sqrt(1 / alpha_bar - 1)
    return math.sqrt(alpha_bar_next) * z_0 + math.sqrt(1 - alpha_bar_next) * eps


def sample(
    eps_fn: EpsFn,
    z_T: Tensor,
    schedule: NoiseSchedule,
    *,
    steps: int,
    clip: float | None = None,
) -> Tensor:
    """z_0 from z_T; what stands at t = 0 is taken for the clean sample."""
    times = inference_timesteps(schedule.timesteps, steps)
    return _walk(eps_fn, z_T, schedule, times[::-1], clip)


def invert(
    eps_fn: EpsFn, z_0: Tensor, schedule: NoiseSchedule, *, steps: int, clip: float | None = None
) -> Tensor:
    """z_T from z_0, which is taken for a sample at t = 0."""
    times = inference_timesteps(schedule.timesteps, steps)
    return _walk(eps_fn, z_0, schedule, times, clip)


def _walk(
    eps_fn: EpsFn, z: Tensor, schedule: NoiseSchedule, times: list[int], clip: float | None
) -> Tensor:
    for time, following in pairwise(times):
        t = torch.full((len(z),), time, device=z.device)
        z = ddim_step(
            z,
            eps_fn(z, t),
            alpha_bar=float(schedule.exact_alpha_bar[time]),
            alpha_bar_next=float(schedule.exact_alpha_bar[following]),
            clip=clip,
        )
    return z
