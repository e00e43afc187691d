"""What models make of scans that they should give back, by what sampling starts from.

The controls stand beside, since inverting and sampling well proves nothing about y_sem: the
diffusion model alone, another subject's code, no noise, no code and so no gradient estimator, the
clamp the other way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ldae.models.dae import VoxelDiffusionAutoencoder
from ldae.models.ldae import LatentDiffusionAutoencoder
from ldae.models.lddim import LatentDiffusionModel

ORIGINAL_CLIP = 1.0  # the original's bound on the predicted clean latent, both ways


class Attempt(NamedTuple):
    """Volumes `(B, 1, X, Y, Z)` meant to equal given ones, and where they come from."""

    model: str
    start: str
    steps: int
    volumes: Tensor


class Start(NamedTuple):
    """What sampling starts from: z_T `(B, C, X, Y, Z)`, and a code `(B, E)` or none."""

    model: str
    start: str
    z_T: Tensor
    y: Tensor | None


def by_ldae(
    ldae: LatentDiffusionAutoencoder, x: Tensor, *, z_T: Tensor, noise: Tensor, steps: int
) -> Iterator[Attempt]:
    """Of volumes `x` (B, 1, X, Y, Z) by their own z_T, and by random `noise` (B, C, X, Y, Z)."""
    y = ldae.encode(x)
    starts = [Start("ldae", "encoded", z_T, y), Start("ldae", "semantic", noise, y)]
    return _sampled(ldae, starts, steps)


def by_lddim(lddim: LatentDiffusionModel, *, z_T: Tensor, steps: int) -> Iterator[Attempt]:
    """By the diffusion model alone, of z_T (B, C, X, Y, Z) that it found."""
    return _sampled(lddim, [Start("lddim", "encoded", z_T, None)], steps)


def by_dae(
    dae: VoxelDiffusionAutoencoder, x: Tensor, *, z_T: Tensor, steps: int
) -> Iterator[Attempt]:
    """Of volumes `x` by their z_T, both (B, 1, X, Y, Z)."""
    return _sampled(dae, [Start("dae", "encoded", z_T, dae.encode(x))], steps)


def controls(
    ldae: LatentDiffusionAutoencoder,
    x: Tensor,
    *,
    other: Tensor,
    z_T: Tensor,
    noise: Tensor,
    steps: int,
) -> Iterator[Attempt]:
    """Of volumes `x` as in `by_ldae`, with volumes `other` of other subjects."""
    z_0, y, wrong = ldae.to_latent(x), ldae.encode(x), ldae.encode(other)
    yield Attempt("autoencoder", "bottleneck", 0, ldae.to_volume(z_0))
    codeless = [
        Start("ldae", "encoded-without-code", z_T, None),
        Start("ldm", "unconditional", noise, None),
    ]
    yield from _sampled(ldae, codeless, steps)
    coded = [
        Start("ldae", "wrong-subject", noise, wrong),
        Start("ldae", "encoded-wrong-subject", z_T, wrong),
        Start("ldae", "zero", torch.zeros_like(noise), y),
    ]
    yield from _sampled(ldae, coded, steps)
    clamp, clip = ("clamped", ORIGINAL_CLIP) if ldae.clip is None else ("unclamped", None)
    turned = replace(ldae, clip=clip)
    other_way = [
        Start("ldae", f"encoded-{clamp}", turned.invert(z_0, y, steps=steps), y),
        Start("ldae", f"semantic-{clamp}", noise, y),
    ]
    yield from _sampled(turned, other_way, steps)


def _sampled(
    model: LatentDiffusionModel | VoxelDiffusionAutoencoder, starts: Sequence[Start], steps: int
) -> Iterator[Attempt]:
    """Sample all starts together; either all have a code or none."""
    codes = [start.y for start in starts if start.y is not None]
    z_T = torch.cat([start.z_T for start in starts])
    z_0 = model.sample(z_T, torch.cat(codes) if codes else None, steps=steps)
    for start, part in zip(starts, z_0.chunk(len(starts)), strict=True):
        yield Attempt(start.model, start.start, steps, model.to_volume(part))
