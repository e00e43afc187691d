"""What one preprocessed volume looks like, in a few numbers that need no model."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

Volume = NDArray[np.float32]
BLOCKS = (4, 5, 4)  # of which mean intensities are taken: of 48 mm on the paper's grid
NAMES = {  # of the numbers, for people
    "share": "share of voxels that are brain",
    "brightness": "mean intensity in the brain",
    "contrast": "spread of intensities in the brain",
    "sharpness": "difference of neighbouring voxels",
    "symmetry": "left-right symmetry",
}


@dataclass(frozen=True)
class Look:
    """Numbers of `NAMES`, and mean intensities of `BLOCKS` (80,)."""

    numbers: tuple[float, ...]
    blocks: NDArray[np.float64]


def look_at(volume: Volume) -> Look:
    """Of a volume (X, Y, Z) in [0, 1]; its middle plane along X is the plane of symmetry."""
    brain = volume > 0
    inside = volume[brain].astype(np.float64)
    contrast = float(inside.std()) if inside.size else 0.0
    numbers = (
        float(brain.mean()),
        float(inside.mean()) if inside.size else 0.0,
        contrast,
        _roughness(volume, brain) / contrast if contrast else 0.0,
        correlation(volume[brain | brain[::-1]], volume[::-1][brain | brain[::-1]]),
    )
    pooled = F.adaptive_avg_pool3d(torch.from_numpy(np.ascontiguousarray(volume))[None], BLOCKS)
    return Look(numbers, pooled.flatten().double().numpy())


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Pearson's; 0 where either is constant."""
    if one.size == 0:
        return 0.0
    a, b = (np.asarray(x, np.float64) - np.mean(x, dtype=np.float64) for x in (one, other))
    length = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / length if length > 0 else 0.0


def _roughness(volume: Volume, brain: NDArray[np.bool_]) -> float:
    """Mean absolute difference of neighbours, both brain, over the three axes."""
    total, count = 0.0, 0
    for axis in range(3):
        near = [slice(None)] * 3
        far = [slice(None)] * 3
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        both = brain[tuple(near)] & brain[tuple(far)]
        steps = np.abs(volume[tuple(far)] - volume[tuple(near)])[both]
        total, count = total + float(steps.sum(dtype=np.float64)), count + steps.size
    return total / count if count else 0.0
