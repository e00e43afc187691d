"""Images as array and affine (RAS+, millimetres): reading with checks, coarsening, resampling."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from scipy import ndimage

from ldae.preprocessing.failure import ScanError
from ldae.runtime import atomic_path

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.floating[Any]]  # (4, 4), millimetres, RAS+

MIN_EXTENT_MM = 100.0  # an adult brain is longer than this along every axis
MAX_SHEAR = 1e-2  # cosine between voxel axes; rounding of header fields stays far below
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


def read_image(path: Path) -> Image:
    """Read a T1-weighted NIfTI: axes reordered to the closest RAS+, intensities about [0, 1].

    The 99.5th percentile of the positive voxels becomes 1, so that nothing later depends on units;
    what is negative becomes 0.

    Raises:
        ScanError: the file or its content cannot be one T1-weighted head.
    """
    try:
        file = nib.load(path)
        stored = np.asarray(file.dataobj, dtype=np.float32)
    except (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, zlib.error) as error:
        raise ScanError("unreadable", " ".join(str(error).split()) or "damaged file") from None
    data = stored.reshape(stored.shape[:3]) if stored.shape[3:] == (1,) else stored
    if data.ndim != 3:
        raise ScanError("not-3d", f"shape {'×'.join(map(str, stored.shape))}")
    if not np.isfinite(data).all():
        raise ScanError("not-finite", f"{(~np.isfinite(data)).sum()} voxels are NaN or infinite")
    positive = data[data > 0]
    if positive.size == 0 or np.ptp(data) == 0:
        raise ScanError("empty", "all voxels have the same value or none is positive")
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, _rigid_axes(file.affine)))
    scaled = np.asarray(canonical.dataobj, dtype=np.float32) / np.percentile(positive, 99.5)
    image = Image(np.maximum(scaled, 0), np.asarray(canonical.affine, dtype=np.float64))
    extent = image.spacing * data_shape(image)
    if extent.min() < MIN_EXTENT_MM:
        raise ScanError("small-field-of-view", f"{extent.min():.0f} mm along one axis")
    return image


def _rigid_axes(affine: Matrix) -> Matrix:
    """The affine with exactly orthogonal axes, as ITK wants them."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or spacing.min() < 1e-3:
        raise ScanError("singular-affine", "the header gives a voxel axis no length")
    axes = affine[:3, :3] / spacing
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    if abs(np.linalg.det(axes)) < 0.5:
        raise ScanError("singular-affine", "two voxel axes of the header are parallel")
    if shear > MAX_SHEAR:
        raise ScanError("sheared-affine", f"voxel axes are not orthogonal (cosine {shear:.2f})")
    left, _, right = np.linalg.svd(axes)
    rigid = affine.astype(np.float64)
    rigid[:3, :3] = (left @ right) * spacing
    return rigid


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


def write_image(image: Image, path: Path, dtype: type[np.generic]) -> None:
    """Write a NIfTI file in millimetres, atomically; the same voxels give the same bytes."""
    nifti = nib.Nifti1Image(image.data.astype(dtype), image.affine)
    nifti.header.set_xyzt_units("mm")
    nifti.set_sform(image.affine, code="mni")
    nifti.set_qform(image.affine, code="mni")
    with atomic_path(path) as temporary:
        nib.save(nifti, temporary)
