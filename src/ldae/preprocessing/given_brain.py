"""Brains that someone else has found: by a mask beside the image, or by stripping the image."""

from pathlib import Path

import numpy as np

from ldae.preprocessing.brain import volume_ml
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, resample
from ldae.preprocessing.reading import read_volume, to_ras

MAX_STRIPPED_FRACTION = 0.7  # of voxels above zero, in an image said to be stripped
MIN_COVERED = 0.98  # of a mask's volume, inside the image it is for


def nonzero_voxels(image: Image) -> Image:
    """For images stripped before: the brain is every voxel above zero.

    Raises:
        ScanError: most of the image is above zero, so that it cannot have been stripped.
    """
    mask = image.with_data(image.data > 0)
    if mask.data.mean() > MAX_STRIPPED_FRACTION:
        raise ScanError("not-stripped", f"{mask.data.mean():.0%} of the voxels are above zero")
    return mask


def supplied_mask(path: Path, image: Image) -> Image:
    """The brain mask in a file, on the grid of `image`; resampled where its own is another.

    Raises:
        ScanError: the file is damaged, no mask, empty, or lies elsewhere than the image.
    """
    try:
        stored = to_ras(*read_volume(path))
    except ScanError as failure:
        raise ScanError("bad-mask", f"{path.name}: {failure}") from None
    levels = np.unique(stored.data[stored.data > 0])
    if levels.size == 0:
        raise ScanError("bad-mask", f"{path.name} is empty")
    if levels.size > 1 and levels[-1] > 1:
        raise ScanError("bad-mask", f"{path.name} has {levels.size} labels, a mask has one")
    inside = stored.with_data(stored.data > levels[-1] / 2)
    mask = image.with_data(resample(_with_rim(inside), image).data > 0.5)
    covered = volume_ml(mask) / max(volume_ml(inside), 1e-9)
    if covered < MIN_COVERED:
        raise ScanError("bad-mask", f"{path.name}: only {covered:.0%} of it is inside the image")
    return mask


def _with_rim(mask: Image) -> Image:
    """One voxel of background around, so that resampling repeats nothing beyond the edge."""
    affine = mask.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.ones(3)
    return Image(np.pad(mask.data, 1), affine)
