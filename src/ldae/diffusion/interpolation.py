"""Paths between two codes: straight for semantic codes, along the sphere for noise."""

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, fraction: float | Tensor) -> Tensor:
    """(1 - fraction) a + fraction b; `fraction` may be one per sample of `a` and `b` (B, ...)."""
    weight = torch.as_tensor(fraction, dtype=a.dtype, device=a.device)
    weight = weight.view(*weight.shape, *[1] * (a.ndim - weight.ndim))
    return (1 - weight) * a + weight * b


def slerp(a: Tensor, b: Tensor, fraction: float | Tensor) -> Tensor:
    """Spherical interpolation of `a` and `b` (B, ...), each sample by its own angle (Shoemake).

    `fraction` may be one per sample (B). Samples (nearly) parallel or opposite define no arc and
    are interpolated in a straight line.
    """
    flat_a, flat_b = a.flatten(1).double(), b.flatten(1).double()
    fraction = torch.as_tensor(fraction, dtype=torch.float64, device=a.device)
    cosine = (flat_a * flat_b).sum(1) / (flat_a.norm(dim=1) * flat_b.norm(dim=1))
    theta = cosine.clamp(-1, 1).acos()
    sine = theta.sin()
    defined = sine > 1e-6
    arc = torch.where(defined, sine, 1.0)
    weight_a = torch.where(defined, ((1 - fraction) * theta).sin() / arc, 1 - fraction)
    weight_b = torch.where(defined, (fraction * theta).sin() / arc, fraction)
    shape = (-1, *[1] * (a.ndim - 1))
    return weight_a.view(shape).to(a) * a + weight_b.view(shape).to(b) * b
