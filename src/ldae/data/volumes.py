"""Preprocessed volumes, one by one or as the set a model sees."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from torch import Tensor

from ldae.data.cache import VolumeCache
from ldae.errors import UserError
from ldae.runtime import atomic_path

UNREADABLE = (
    *(OSError, EOFError, TypeError, ValueError, zlib.error),
    *(ImageFileError, HeaderDataError),
)  # what nibabel raises for files that are damaged or no images


class VolumeSet(Sequence[Tensor]):
    """The volumes (X, Y, Z) of `scans`, a part of the table, in its order; all of one shape.

    Without a cache each is read again at every use.
    """

    def __init__(
        self, scans: pd.DataFrame, derivatives: Path, *, cache: VolumeCache | None = None
    ) -> None:
        self.paths = [derivatives / name for name in scans["volume"]]
        self._hashes = scans["volume_sha256"].tolist()
        self._cache = cache
        self._first: tuple[Path, torch.Size] | None = None

    def __len__(self) -> int:
        """How many volumes there are."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        """Volume `index`, (X, Y, Z) float32 in [0, 1]. Not to be written to.

        Raises:
            UserError: it cannot be used, or has another shape than the volume read first.
        """
        path = self.paths[index]
        if self._cache is None:
            volume = load_volume(path)
        else:
            volume = self._cache.get(self._hashes[index], lambda: load_volume(path))
        first, shape = self._first = self._first or (path, volume.shape)
        if volume.shape != shape:
            raise UserError(
                f"{path}: {tuple(volume.shape)} voxels, but {first} has "
                f"{tuple(shape)}; preprocess all scans with the same grid"
            )
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


def save_volume(
    path: Path,
    volume: NDArray[np.float32],
    affine: NDArray[Any],
    *,
    space: Literal["mni", "aligned"] = "mni",
) -> None:
    """Write (X, Y, Z) as NIfTI float32 in mm, atomically; `space` as NIfTI's header calls it."""
    image = nib.Nifti1Image(np.asarray(volume, np.float32), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=space)
    image.set_qform(affine, code=space)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
