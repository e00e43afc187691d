"""How much of the brain's regions is fluid or tissue, and where an edited volume has changed.

Tissue is told by the volume's own intensities: three classes by k-means, and between the means of
two neighbouring classes a voxel holds both in proportion. At a few millimetres per voxel most
voxels of a ventricle are such mixtures. One of fluid and white matter passes for less fluid than it
holds, or for none: volumes are for comparing, and some tenth too small.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool3d

from ldae.metrics.image import masked_mean, ssim_map

Array = NDArray[np.floating[Any]]

LEVELS = 256  # of intensity, by which k-means goes
ROUNDS = 50
START_PERCENTILES = (5, 35, 80)  # of the brain: fluid, grey, white
CHANGED = 0.05  # of the intensity range; a smaller difference is none


@dataclass(frozen=True)
class Regions:
    """Shares (X, Y, Z) of each voxel, 0 to 1, that lie in two regions of the template's brain."""

    ventricles: Array  # and what surrounds them
    hippocampi: Array
    voxel_ml: float


def region_volumes(volume: Array, brain: NDArray[np.bool_], regions: Regions) -> dict[str, float]:
    """Fluid around the ventricles and tissue at the hippocampi, ml, of a volume (X, Y, Z).

    NaN where `brain` and a region do not meet, and where the brain has no contrast.
    """
    fluid = fluid_share(volume, brain)
    inside = {"ventricle_ml": regions.ventricles, "hippocampus_ml": regions.hippocampi}
    amounts = {}
    for name, share in inside.items():
        region = share * brain
        amount = region * (fluid if name == "ventricle_ml" else 1 - fluid)
        seen = region.any()
        amounts[name] = float(amount.sum() * regions.voxel_ml) if seen else float("nan")
    return amounts


def fluid_share(volume: Array, brain: NDArray[np.bool_]) -> Array:
    """How much of each voxel (X, Y, Z) is fluid: 1 at the darkest class's mean, 0 from grey on."""
    fluid, grey, _ = tissue_means(volume[brain])
    if not grey > fluid:
        return np.full(volume.shape, np.nan)
    return np.clip((grey - volume) / (grey - fluid), 0, 1)


def tissue_means(values: Array) -> tuple[float, float, float]:
    """Mean intensity of fluid, grey and white matter among `values` (N,) in [0, 1], by k-means."""
    if not values.size:
        return (float("nan"),) * 3
    counts, edges = np.histogram(np.clip(values, 0, 1), bins=LEVELS, range=(0, 1))
    levels = (edges[1:] + edges[:-1]) / 2
    means = np.percentile(values, START_PERCENTILES)
    for _ in range(ROUNDS):
        nearest = np.digitize(levels, (means[1:] + means[:-1]) / 2)
        weight = np.bincount(nearest, weights=counts, minlength=3)
        total = np.bincount(nearest, weights=counts * levels, minlength=3)
        moved = np.where(weight > 0, total / np.maximum(weight, 1), means)
        if np.allclose(moved, means, atol=1e-6):
            break
        means = moved
    fluid, grey, white = map(float, moved)
    return fluid, grey, white


def change(volume: Tensor, unmoved: Tensor, brain: Tensor, *, window: int) -> dict[str, Tensor]:
    """How much of the brain an edit has changed, and what is left as it was, each `(B,)`.

    `changed_share` is the part of the brain whose intensity differs by more than `CHANGED`;
    `ssim_outside` and `mse_outside` compare the rest: SSIM over the windows that lie wholly in it,
    NaN when there are none. An MSE outside is below `CHANGED`² by construction.
    """
    squared = (volume - unmoved) ** 2
    same = brain & (squared <= CHANGED**2)
    whole = 1 - max_pool3d(1 - same.float(), kernel_size=window, stride=1)
    return {
        "changed_share": 1 - masked_mean(same.float(), brain),
        "ssim_outside": masked_mean(ssim_map(volume, unmoved, window=window), whole),
        "mse_outside": masked_mean(squared, same),
    }


def change_focus(
    volume: Array, unmoved: Array, brain: NDArray[np.bool_], regions: Regions
) -> float:
    """Mean absolute change in the regions over that in the rest of the brain: 1 has no focus."""
    changed = np.abs(volume - unmoved)
    inside = brain * np.clip(regions.ventricles + regions.hippocampi, 0, 1)
    outside = brain * 1.0 - inside
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (
            np.sum(changed * inside) / inside.sum() / (np.sum(changed * outside) / outside.sum())
        )
    return float(ratio) if np.isfinite(ratio) else float("nan")
