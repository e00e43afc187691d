"""Regions of the template's brain on the grid of preprocessed volumes.

Template: the tissue maps of ICBM 152 2009a symmetric that nilearn brings, in the space volumes are
registered to. Positions are millimetres of that space (RAS+).
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

STEP = 2  # template voxels of 1 mm per voxel that regions are found on
DEEP_MM = 15.0  # below the brain's surface: no sulcus
VENTRICLE_BOX = ((-36, 36), (-62, 36), (-4, 38))  # mm: around the lateral ventricles' bodies
SMALLEST_ML = 1.0  # of fluid in one piece; less is a fissure
AROUND_MM = 8.0  # into which ventricles may grow
HIPPOCAMPUS = (27.0, -21.0, -15.0)  # mm, of the right one; the left mirrors it
HIPPOCAMPUS_AXES = (9.0, 18.0, 9.0)  # mm, half-axes of the ellipsoid around it
SMOOTHING = 0.32  # of a voxel's edge: a coarse voxel averages what it covers


def regions_like(path: Path) -> tuple[Array, Array, float]:
    """`regions_on_grid` for the grid of the preprocessed volume at `path`."""
    image = nib.load(path)
    return regions_on_grid(image.shape, np.asarray(image.affine, np.float64))


def regions_on_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64]
) -> tuple[Array, Array, float]:
    """Regions on a grid of `shape` whose voxels `affine` places in the template's space.

    Returns:
        Shares (X, Y, Z) of each voxel, 0 to 1, that lie in the lateral ventricles and `AROUND_MM`
        around them, and in the hippocampal regions of both sides; the volume of a voxel, ml.
    """
    grey, white, space = _tissue()
    fluid = 1 - grey - white
    x, y, z = _positions(grey.shape, space)
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(grey + white > 0.2, iterations=2))
    spacing = float(space[0, 0])
    deep = ndimage.distance_transform_edt(inside, sampling=spacing) > DEEP_MM
    for axis, (low, high) in zip((x, y, z), VENTRICLE_BOX, strict=True):
        deep = deep & (axis > low) & (axis < high)
    labels, _ = ndimage.label((fluid > 0.5) & deep)
    sizes = np.bincount(labels.ravel()) * spacing**3 / 1000
    sizes[0] = 0
    ventricles = (sizes >= SMALLEST_ML)[labels]
    around = ndimage.distance_transform_edt(~ventricles, sampling=spacing) <= AROUND_MM
    hippocampi = sum(_ellipsoid((x, y, z), side) for side in (-1, 1)) > 0
    near, beside = (_share(part & inside, space, shape, affine) for part in (around, hippocampi))
    return near, beside, float(abs(np.linalg.det(affine[:3, :3]))) / 1000


def _tissue() -> tuple[Array, Array, NDArray[np.float64]]:
    """Shares of grey and white matter in voxels of `STEP` mm, and their affine."""
    maps = [
        datasets.load_mni152_gm_template(resolution=1),
        datasets.load_mni152_wm_template(resolution=1),
    ]
    cut = (slice(None, None, STEP),) * 3
    grey, white = (
        ndimage.gaussian_filter(np.clip(each.get_fdata(dtype=np.float32), 0, 1), 0.6)[cut]
        for each in maps
    )
    affine = np.asarray(maps[0].affine, np.float64).copy()
    affine[:3, :3] *= STEP
    excess = np.maximum(grey + white, 1)
    return grey / excess, white / excess, affine


def _positions(
    shape: tuple[int, ...], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Millimetres along each axis, to be combined by broadcasting; the template lies along them."""
    axes = [affine[i, 3] + affine[i, i] * np.arange(size) for i, size in enumerate(shape)]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def _ellipsoid(positions: tuple[NDArray[np.float64], ...], side: int) -> NDArray[np.float64]:
    centre = (side * HIPPOCAMPUS[0], *HIPPOCAMPUS[1:])
    parts = zip(positions, centre, HIPPOCAMPUS_AXES, strict=True)
    return np.asarray(sum(((axis - at) / half) ** 2 for axis, at, half in parts) <= 1, np.float64)


def _share(
    region: NDArray[np.bool_],
    space: NDArray[np.float64],
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
) -> Array:
    edge = np.linalg.norm(affine[:3, :3], axis=0)
    blurred = ndimage.gaussian_filter(region.astype(np.float32), SMOOTHING * edge / space[0, 0])
    to_template = np.linalg.inv(space) @ affine
    sampled = ndimage.affine_transform(
        blurred, to_template[:3, :3], offset=to_template[:3, 3], output_shape=shape, order=1
    )
    return np.asarray(np.clip(sampled, 0, 1), np.float32)
