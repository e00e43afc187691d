"""Volumes on the scale diffusion works on: intensities [0, 1] as [-1, 1]."""

from torch import Tensor


def to_signed(x: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]; the background becomes -1."""
    return 2 * x - 1


def from_signed(z: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]; values outside stay outside."""
    return (z + 1) / 2
