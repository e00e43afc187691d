"""Preprocessed volumes, read once and kept in memory as far as they fit."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from torch import Tensor

from ldae.errors import UserError

DEFAULT_CACHE_GIB = 8.0
UNREADABLE = (
    *(OSError, EOFError, TypeError, ValueError, zlib.error),
    *(ImageFileError, HeaderDataError),
)  # what nibabel raises for files that are damaged or no images


class VolumeSet(Sequence[Tensor]):
    """The volumes (X, Y, Z) at `paths`, in this order, all of one shape.

    Those read first stay in memory until `LDAE_CACHE_GIB` (default 8) is used up; the others are
    read again at each use.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self._kept: dict[int, Tensor] = {}
        self._free_bytes = _cache_bytes()
        self._first: tuple[Path, torch.Size] | None = None

    def __len__(self) -> int:
        """How many volumes there are."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        """Volume `index`, (X, Y, Z) float32 in [0, 1]. Not to be written to.

        Raises:
            UserError: it cannot be used, or has another shape than the volume read first.
        """
        if index in self._kept:
            return self._kept[index]
        volume = load_volume(self.paths[index])
        path, shape = self._first = self._first or (self.paths[index], volume.shape)
        if volume.shape != shape:
            raise UserError(
                f"{self.paths[index]}: {tuple(volume.shape)} voxels, but {path} has "
                f"{tuple(shape)}; preprocess all scans with the same grid"
            )
        size = volume.numel() * volume.element_size()
        if size <= self._free_bytes:
            self._free_bytes -= size
            self._kept[index] = volume
        return volume


def load_volume(path: Path) -> Tensor:
    """The volume at `path` as (X, Y, Z) float32, RAS+.

    Raises:
        UserError: it cannot be read, is not three-dimensional and RAS+, or not finite throughout.
    """
    try:
        image = nib.load(path)
        values = np.asarray(image.dataobj, dtype=np.float32)
    except UNREADABLE as error:
        raise UserError(
            f"{path}: cannot be read as an image ({error}); if it is a NIfTI file it is damaged: "
            "make it again from the raw image"
        ) from None
    orientation = "".join(axis or "?" for axis in nib.aff2axcodes(image.affine))
    if values.ndim != 3 or orientation != "RAS":
        raise UserError(
            f"{path}: expected a RAS+ volume of three axes, found {orientation}, {values.shape}"
        )
    if not np.isfinite(values).all():
        raise UserError(
            f"{path}: holds values that are not finite; make it again from the raw image"
        )
    return torch.from_numpy(np.ascontiguousarray(values))


def common_shape(volumes: VolumeSet) -> tuple[int, int, int]:
    """The shape of the first volume; `volumes` refuses others of another shape when it reads them.

    Raises:
        UserError: there are no volumes.
    """
    if not len(volumes):
        raise UserError("there are no volumes to take the shape of")
    x, y, z = volumes[0].shape
    return x, y, z


def voxel_spacing(path: Path) -> tuple[float, ...]:
    """Edge lengths of the voxels at `path` in mm, to 1e-4: headers are of single precision."""
    return tuple(round(float(size), 4) for size in voxel_sizes(nib.load(path).affine))


def _cache_bytes() -> int:
    text = os.environ.get("LDAE_CACHE_GIB", str(DEFAULT_CACHE_GIB))
    try:
        return int(float(text) * 2**30)
    except ValueError:
        raise UserError(f"LDAE_CACHE_GIB: {text!r} is not a number of GiB") from None
