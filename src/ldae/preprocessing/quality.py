"""Figures by which a person or a threshold judges one preprocessed scan."""

import numpy as np
from numpy.typing import NDArray

from ldae.config import Grid
from ldae.preprocessing.brain import dice, volume_ml
from ldae.preprocessing.grid import template_on_grid
from ldae.preprocessing.images import Image, Mask

Values = NDArray[np.float32]


def measure_quality(
    mask: Image, volume: Image, volume_mask: Mask, settings: Grid
) -> dict[str, float]:
    """Figures of one scan.

    Args:
        mask: the brain in the scan's own space.
        volume: the preprocessed brain on the grid.
        volume_mask: its mask.
        settings: the grid.

    Returns:
        `brain_ml` in native space; `template_dice`, overlap of both masks on the grid;
        `template_correlation`, Pearson's over voxels in both; `border_fraction`, the part of the
        native brain on the faces of the field of view (more than some per thousand: brain is cut).
    """
    template, template_mask = template_on_grid(settings)
    both = volume_mask & template_mask
    return {
        "brain_ml": round(volume_ml(mask), 3),
        "template_dice": round(dice(volume_mask, template_mask), 6),
        "template_correlation": round(_correlation(volume.data[both], template.data[both]), 6),
        "border_fraction": round(_border_fraction(mask.data > 0.5), 6),
    }


def _correlation(one: Values, other: Values) -> float:
    if one.size < 2 or one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _border_fraction(mask: Mask) -> float:
    inner = mask[1:-1, 1:-1, 1:-1].sum()
    total = mask.sum()
    return float((total - inner) / total) if total else 0.0
