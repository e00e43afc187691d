"""A brain found in a head, and what is done with masks."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Array, Image, Mask, Matrix

PLAUSIBLE_ML = (600.0, 2800.0)  # outside lies no human brain, whatever the study's own thresholds


@dataclass(frozen=True)
class Brain:
    """The mask on the image's own grid (0 or 1), the affine, and figures for the sidecar."""

    mask: Image
    mapping: Matrix  # template to head, millimetres
    figures: dict[str, float]


def require_plausible(mask: Image) -> None:
    """Refuse what no human brain can be.

    Raises:
        ScanError: the mask is far too small or too large.
    """
    volume = volume_ml(mask)
    if not PLAUSIBLE_ML[0] <= volume <= PLAUSIBLE_ML[1]:
        raise ScanError("brain-implausible", f"{volume:.0f} ml")


def depth(mask: Mask, image: Image) -> Array:
    """Distance in mm of every voxel of the mask to the nearest voxel outside it."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=image.spacing))


def signed_distance(mask: Mask, image: Image) -> Array:
    """Distance in mm to the mask's surface, half-way between voxels; negative inside."""
    surface = np.where(mask, 0.5, -0.5) * image.spacing.mean()
    return np.asarray(depth(~mask, image) - depth(mask, image) + surface, dtype=np.float32)


def largest_part(mask: Mask, within: Mask | None = None) -> Mask:
    """The connected part of the mask with most voxels, or with most of the voxels of `within`."""
    labels, parts = ndimage.label(mask)
    if parts <= 1:
        return mask
    counts = np.bincount(labels[mask if within is None else mask & within], minlength=parts + 1)
    return np.asarray(labels == counts[1:].argmax() + 1)


def dice(one: Mask, other: Mask) -> float:
    """Overlap of two masks: twice the common voxels over the sum of both."""
    total = int(one.sum()) + int(other.sum())
    return 2.0 * int((one & other).sum()) / total if total else 0.0


def volume_ml(mask: Image) -> float:
    """Volume of the voxels above one half, in millilitres."""
    return float((mask.data > 0.5).sum() * np.prod(mask.spacing) / 1000)
