"""Images as array and affine (RAS+, millimetres): cut, coarsened, resampled, written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ldae.runtime import atomic_path

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.floating[Any]]  # (4, 4), millimetres, RAS+

FEWEST = 100  # voxels that say something
FWHM = 2.355  # full width at half maximum of a Gaussian, in standard deviations


@dataclass(frozen=True)
class Image:
    """Voxels `(X, Y, Z)` and the affine from voxel indices to RAS+ millimetres."""

    data: Array
    affine: Matrix

    @property
    def spacing(self) -> Matrix:
        """Voxel size (3,) in millimetres."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def with_data(self, data: NDArray[np.generic]) -> "Image":
        """Other voxels on the same grid."""
        return Image(np.asarray(data, dtype=np.float32), self.affine)


def data_shape(image: Image) -> NDArray[np.int64]:
    """Voxels along each axis (3,)."""
    return np.asarray(image.data.shape, dtype=np.int64)


def around(image: Image, mask: Mask, margin_mm: float) -> Image:
    """The part of the image within `margin_mm` of the mask's bounding box."""
    margin = np.ceil(margin_mm / image.spacing).astype(int)
    (box,) = ndimage.find_objects(mask.astype(np.int8))
    first = [max(0, part.start - pad) for part, pad in zip(box, margin, strict=True)]
    last = [part.stop + pad for part, pad in zip(box, margin, strict=True)]
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first
    return Image(image.data[tuple(map(slice, first, last))], affine)


def smooth_for(image: Image, spacing_mm: float) -> Array:
    """Voxels blurred so that sampling them every `spacing_mm` does not alias.

    The blur has a full width at half maximum of the new spacing less, in quadrature, the old one.
    """
    sigma = np.sqrt(np.maximum((spacing_mm / image.spacing) ** 2 - 1, 0)) / FWHM
    if sigma.max() == 0:
        return image.data
    return np.asarray(ndimage.gaussian_filter(image.data, sigma, truncate=3.0))


def coarsen(image: Image, spacing_mm: float) -> Image:
    """The image on voxels of at least `spacing_mm`, smoothed first; finer axes only."""
    step = np.maximum(spacing_mm / image.spacing, 1)
    if step.max() < 1.05:
        return image
    shape = np.maximum(np.round(data_shape(image) / step), 1).astype(int)
    first = ((data_shape(image) - 1) - (shape - 1) * step) / 2
    affine = image.affine.copy()
    affine[:3, :3] *= step
    affine[:3, 3] += image.affine[:3, :3] @ first
    grid = Image(np.broadcast_to(np.float32(0), tuple(shape)), affine)
    return resample(Image(smooth_for(image, spacing_mm), image.affine), grid)


def resample(image: Image, grid: Image, mapping: Matrix | None = None) -> Image:
    """Sample `image` linearly on the grid; `mapping` carries grid millimetres to image millimetres.

    Beyond the image's edge its border is repeated, so that distances and fields stay continuous.
    """
    onto = np.eye(4) if mapping is None else mapping
    voxels = np.linalg.inv(image.affine) @ onto @ grid.affine
    data = ndimage.affine_transform(
        image.data,
        voxels[:3, :3],
        voxels[:3, 3],
        output_shape=grid.data.shape,
        order=1,
        mode="nearest",
    )
    return grid.with_data(data)


def pearson(one: Array, other: Array, *, otherwise: float) -> float:
    """Correlation of two sets of voxels; `otherwise` of too few, or if one does not vary."""
    if one.size < FEWEST or one.std() == 0 or other.std() == 0:
        return otherwise
    # Without linear algebra, whose last digits depend on its threads.
    one, other = (values - values.mean(dtype=np.float64) for values in (one, other))
    return float((one * other).mean() / np.sqrt((one * one).mean() * (other * other).mean()))


def write_image(image: Image, path: Path, dtype: type[np.generic]) -> None:
    """Write a NIfTI file in millimetres, atomically; the same voxels give the same bytes."""
    nifti = nib.Nifti1Image(image.data.astype(dtype), image.affine)
    nifti.header.set_xyzt_units("mm")
    nifti.set_sform(image.affine, code="mni")
    nifti.set_qform(image.affine, code="mni")
    with atomic_path(path) as temporary:
        nib.save(nifti, temporary)
