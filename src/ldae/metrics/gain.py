"""How much a semantic code tells, by noise level."""

import torch
from torch import Tensor

BINS = 5  # equal parts of the diffusion time


def gain_by_time(
    *, right: Tensor, wrong: Tensor, without: Tensor, t: Tensor, timesteps: int
) -> dict[str, float]:
    """Share of the loss that the right code removes beyond a wrong one, in each fifth of the time.

    Args:
        right: losses (N,) given each scan's own code.
        wrong: the same given another subject's code.
        without: the same without any.
        t: times (N,), 0 to `timesteps` - 1.
        timesteps: T.

    Returns:
        `gain_t000_199` and so on, for the fifths that `t` reaches; 0 where the code says nothing
        that a wrong one does not, at most 1.
    """
    part = torch.div(t * BINS, timesteps, rounding_mode="floor")
    gains = {}
    for number in sorted(set(part.tolist())):
        first, last = (-(-timesteps * edge // BINS) for edge in (number, number + 1))
        here = part == number
        removed = (wrong[here].sum() - right[here].sum()) / without[here].sum()
        gains[f"gain_t{first:03d}_{last - 1:03d}"] = float(removed)
    return gains


def middles(timesteps: int, parts: int) -> list[int]:
    """The middles of equal parts of the diffusion time."""
    return [(2 * index + 1) * timesteps // (2 * parts) for index in range(parts)]
