"""Raw images as they come: everything that can be wrong with a file, by name, before any work."""

import gzip
import itertools
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Array, Image, Matrix, data_shape
from ldae.runtime import atomic_path

MIN_EXTENT_MM = 100.0  # an adult brain is longer than this along every axis
MAX_VOXELS = 2**30  # 4 GiB as they are held; the finest heads have a tenth of it
MAX_SHEAR = 1e-2  # cosine between voxel axes; rounding of header fields stays far below
AIR_PERCENTILE = 1.0  # of all voxels: air, in any image with a head in it
MAX_UNDERSHOOT = 0.1  # of the signal's range; noise and interpolation reach as far below 0
CORNER = 10  # a corner of the image is this part of each axis
CHUNK_BYTES = 2**22
BRIGHT_CORNERS = 6  # of 8; shoulders may fill two to four

Damage = (
    ImageFileError,
    HeaderDataError,
    EOFError,
    OSError,
    OverflowError,  # an absurd offset
    ValueError,
    TypeError,
    zlib.error,
)


def read_image(path: Path) -> Image:
    """Read a T1-weighted NIfTI: axes reordered to the closest RAS+, intensities about [0, 1].

    Air becomes 0 (what is darker, too) and the 99.5th percentile of the positive voxels 1, so that
    nothing later depends on units or on a constant that a converter added or took away.

    Raises:
        ScanError: the file or its content cannot be one T1-weighted head.
    """
    data, affine = read_volume(path)
    if np.ptp(data) == 0:
        raise ScanError("empty", "all voxels have the same value")
    air = _air(data)
    bright = float(np.percentile(data[data > min(air, 0)], 99.5)) - air
    if bright <= 0:
        raise ScanError("empty", "hardly any voxel differs from the others")
    stored = to_ras(data, affine)
    image = stored.with_data(np.maximum((stored.data - np.float32(air)) / np.float32(bright), 0))
    extent = image.spacing * data_shape(image)
    if extent.min() < MIN_EXTENT_MM:
        raise ScanError("small-field-of-view", f"{extent.min():.0f} mm along one axis")
    _refuse_bright_air(image)
    return image


def read_volume(path: Path) -> tuple[Array, Matrix]:
    """The voxels `(X, Y, Z)` of a NIfTI file as they are stored, and its affine.

    Raises:
        ScanError: the file is damaged, or does not hold one volume of finite numbers.
    """
    try:
        file = nib.load(path)
        if not isinstance(file, SpatialImage):
            raise ScanError("unreadable", "no volume of voxels")
        if math.prod(file.shape) > MAX_VOXELS:
            raise ScanError("too-large", f"the header declares {_times(file.shape)} voxels")
        if file.get_data_dtype().kind not in "biuf":
            raise ScanError("not-scalar", f"voxels of type {file.get_data_dtype()}")
        stored = np.asarray(file.dataobj, dtype=np.float32)
        _check_sum(path)
    except Damage as error:
        raise ScanError("unreadable", " ".join(str(error).split()) or "damaged file") from None
    single = stored.ndim > 3 and set(stored.shape[3:]) == {1}
    data = stored.reshape(stored.shape[:3]) if single else stored
    if data.ndim != 3:
        raise ScanError("not-3d", f"shape {_times(stored.shape)}")
    finite = np.isfinite(data)
    if not finite.all():
        raise ScanError("not-finite", f"{(~finite).sum()} voxels are NaN or infinite")
    return data, np.asarray(file.affine)


def to_ras(data: Array, affine: Matrix) -> Image:
    """The volume with its axes in the order and direction closest to RAS+.

    Raises:
        ScanError: the affine is singular or shears.
    """
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, _rigid_axes(affine)))
    return Image(
        np.asarray(canonical.dataobj, dtype=np.float32),
        np.asarray(canonical.affine, dtype=np.float64),
    )


def write_like(stored: Path, mask: Image, path: Path) -> None:
    """Write a mask of the image in `stored` on that file's own voxels, atomically."""
    affine = nib.load(stored).affine
    onto = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.io_orientation(_rigid_axes(affine))
    )
    voxels = nib.orientations.apply_orientation(mask.data.astype(np.uint8), onto)
    nifti = nib.Nifti1Image(voxels, affine)
    nifti.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(nifti, temporary)


def _check_sum(path: Path) -> None:
    """Read a gzip to its end, where its checksum is; nibabel stops at the last voxel."""
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            while stream.read(CHUNK_BYTES):
                pass


def _rigid_axes(affine: Matrix) -> Matrix:
    """The affine with exactly orthogonal axes, as ITK wants them."""
    if not np.isfinite(affine).all():
        raise ScanError("singular-affine", "the header's affine is not finite")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < 1e-3:
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


def _air(data: Array) -> float:
    """Signal of air; 0 where less is only padding, noise or undershoot of interpolation."""
    above_padding = data[data > data.min()]
    darkest, brightest = np.percentile(above_padding, [AIR_PERCENTILE, 99.5])
    if darkest < -MAX_UNDERSHOOT * (brightest - darkest):
        return float(darkest)
    return max(0.0, float(np.percentile(data, AIR_PERCENTILE)))


def _refuse_bright_air(image: Image) -> None:
    """In the corners of a head's image is air; where it is bright, light and dark are swapped."""
    sides = [(slice(None, size), slice(-size, None)) for size in data_shape(image) // CORNER + 1]
    corners = [np.median(image.data[x, y, z]) for x, y, z in itertools.product(*sides)]
    inner = tuple(slice(size // 3, -(size // 3)) for size in image.data.shape)
    middle = float(np.median(image.data[inner]))
    brighter = sum(corner > middle for corner in corners)
    if brighter >= BRIGHT_CORNERS:
        raise ScanError(
            "wrong-contrast",
            f"{brighter} of 8 corners are brighter than the middle: inverted, or no magnitudes",
        )


def _times(shape: tuple[Any, ...]) -> str:
    return "×".join(map(str, shape))
