"""The grid models see, around the template's brain, and the scan resampled to it once."""

from functools import lru_cache
from pathlib import Path

import ants
import numpy as np
from scipy import ndimage

from ldae.config import Grid, Intensity
from ldae.preprocessing.brain import largest_part
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Array, Image, Mask, around, resample, smooth_for
from ldae.preprocessing.linear import to_ants
from ldae.preprocessing.template import brain_centre, load_template

MARGIN_MM = 12.0  # kept around the brain when the native image is cut for speed


def make_grid(settings: Grid) -> Image:
    """An empty image of the grid: RAS+, its middle in the middle of the template's brain."""
    affine = np.diag([settings.spacing_mm] * 3 + [1.0])
    affine[:3, 3] = brain_centre() - (np.array(settings.shape) - 1) / 2 * settings.spacing_mm
    return Image(np.zeros(settings.shape, dtype=np.float32), affine)


@lru_cache(maxsize=1)
def template_on_grid(settings: Grid) -> tuple[Image, Mask]:
    """The template brain and its mask on the grid, for comparison; made once per process."""
    grid, template = make_grid(settings), load_template(settings.spacing_mm)
    share = resample(template.mask, grid).data
    brain = resample(template.brain, grid).data / np.maximum(share, 0.5)
    return grid.with_data(np.where(share > 0.5, brain, 0)), share > 0.5


def resample_to_grid(
    image: Image, mask: Image, settings: Grid, *, transform: Path
) -> tuple[Image, Mask]:
    """Brain and mask on the grid, interpolated once, through the written transform.

    Signal and mask are smoothed alike for the coarser grid and divided, so that neither skull nor
    background leaks into the brain's edge.

    Raises:
        ScanError: the brain lies outside the grid.
    """
    grid, inside = make_grid(settings), mask.data > 0.5
    cut_image, cut_mask = around(image, inside, MARGIN_MM), around(mask, inside, MARGIN_MM)
    weight = _smooth(cut_mask, settings.spacing_mm)
    signal = _smooth(cut_image.with_data(cut_image.data * cut_mask.data), settings.spacing_mm)
    share = _apply(weight, grid, transform)
    amount = _apply(signal, grid, transform)
    found = largest_part(ndimage.binary_fill_holes(share > 0.5))
    if not found.any():
        raise ScanError("outside-grid", "registration carries the brain out of the grid")
    return grid.with_data(np.where(found, amount / np.maximum(share, 1e-3), 0)), found


def scale_intensities(brain: Image, mask: Mask, settings: Intensity) -> Image:
    """Intensities in [0, 1], background exactly 0.

    `minmax` divides by the brain's maximum (the minimum is the background's 0, as in the paper);
    `percentile` maps the two percentiles of the brain's voxels to 0 and 1 and clips.
    """
    values = brain.data[mask]
    low, high = 0.0, float(values.max())
    if settings.rule == "percentile":
        low, high = (float(value) for value in np.percentile(values, settings.percentiles))
    if high <= low:
        raise ScanError("no-contrast", "all voxels of the brain have the same intensity")
    scaled = np.clip((brain.data - low) / (high - low), 0, 1)
    return brain.with_data(np.where(mask, scaled, 0))


def _smooth(image: Image, spacing_mm: float) -> Image:
    return image.with_data(smooth_for(image, spacing_mm))


def _apply(image: Image, grid: Image, transform: Path) -> Array:
    moved = ants.apply_transforms(
        to_ants(grid), to_ants(image), [str(transform)], interpolator="linear"
    )
    return np.asarray(moved.numpy())
