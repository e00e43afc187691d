"""The template brain, and a synthetic head around it in which a raw head finds its pose.

Template: ICBM 152 2009a symmetric, 1 mm, skull-stripped, shipped inside nilearn, so that closed
nodes need no download. Registering it directly to a raw head is ambiguous: the outer edge of the
scalp looks like the edge of the brain. The synthetic head, with shells of CSF, bone and scalp by
distance from the brain, removes that.
"""

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_template
from scipy import ndimage

from ldae.preprocessing.images import Array, Image, around, coarsen

BRAIN_THRESHOLD = 0.2  # of the template's maximum, as nilearn's own brain mask
HALFWAY_MM = 2.0  # voxels from which coarser ones are made
MARGIN_MM = 28  # room for the scalp and some air
BACKGROUND_MM = 8.0  # kept around the brain when the brain alone is registered
SHELLS = (
    (-9.0, 2.5, 0.22),
    (2.5, 8.0, 0.08),
    (8.0, 14.0, 0.85),
)  # CSF, bone, scalp: mm, mm, signal
ZONE_MM = 20.0  # the pose is judged up to here, where face and neck are not
BRAIN_STEM_Z_MM = -60.0  # below it the template is cut and no head looks like it


@dataclass(frozen=True)
class Template:
    """The template at one voxel size: the brain in a tight box, its mask with room for a head.

    The box is tight because registration costs by the voxel.
    """

    brain: Image
    mask: Image


@dataclass(frozen=True)
class Head:
    """The synthetic head, and the zone (0 or 1) in which a real one is expected to look like it."""

    image: Image
    zone: Image


@lru_cache(maxsize=8)
def load_template(spacing_mm: float) -> Template:
    """The template on voxels of `spacing_mm`, the 99th percentile of the brain scaled to 1."""
    mask, brain = _load(spacing_mm)
    return Template(around(brain, mask.data > 0.5, BACKGROUND_MM), mask)


@lru_cache(maxsize=4)
def load_head(spacing_mm: float) -> Head:
    """The synthetic head on voxels of `spacing_mm`; below the brain stem it fades into air."""
    mask, brain = _load(spacing_mm)
    height = mask.affine[2, 3] + mask.affine[2, 2] * np.arange(mask.data.shape[2])
    outside = ndimage.distance_transform_edt(mask.data < 0.5, sampling=spacing_mm) - spacing_mm / 2
    shells = sum(
        signal * _rise((outside - low) * 3 / spacing_mm) * _rise((high - outside) * 3 / spacing_mm)
        for low, high, signal in SHELLS
    )
    shells = shells * _rise((height - BRAIN_STEM_Z_MM) / 4)
    return Head(
        image=mask.with_data(brain.data + (1 - mask.data) * shells),
        zone=mask.with_data((outside < ZONE_MM) & (height > BRAIN_STEM_Z_MM)),
    )


@lru_cache(maxsize=8)
def _load(spacing_mm: float) -> tuple[Image, Image]:
    """Mask and brain, with a margin for the head.

    Coarse ones come from 2 mm voxels: two blurs add up to the same one, at a tenth of the cost.
    """
    if spacing_mm >= 2 * HALFWAY_MM:
        mask, brain = _load(HALFWAY_MM)
        return coarsen(mask, spacing_mm), coarsen(brain, spacing_mm)
    file = _file()
    affine = file.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, MARGIN_MM)
    inside = (file.data > BRAIN_THRESHOLD).astype(np.float32)
    scale = np.percentile(file.data[inside > 0], 99)
    mask, brain = (
        coarsen(Image(np.pad(values, MARGIN_MM), affine), spacing_mm)
        for values in (inside, file.data * inside / scale)
    )
    return mask, brain


def _file() -> Image:
    file: nib.Nifti1Image = load_mni152_template(resolution=1)
    return Image(file.get_fdata(dtype=np.float32), np.asarray(file.affine, dtype=np.float64))


def _rise(x: Array) -> Array:
    """Logistic step, bounded so that it cannot overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -50, 50))), dtype=np.float32)


@lru_cache(maxsize=1)
def brain_centre() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Centre (3,) of the brain's bounding box, RAS+ mm; x is 0 by the template's symmetry."""
    template = _file()
    (box,) = ndimage.find_objects((template.data > BRAIN_THRESHOLD).astype(np.int8))
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    return np.asarray(template.affine[:3, :3] @ middle + template.affine[:3, 3])
