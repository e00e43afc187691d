"""Preprocessed volumes, read once and kept in memory as far as they fit."""

import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError
from torch import Tensor

from ldae.errors import UserError

DEFAULT_CACHE_GIB = 8.0


class VolumeSet(Sequence[Tensor]):
    """The volumes (X, Y, Z) at `paths`, in this order.

    Those read first stay in memory until `LDAE_CACHE_GIB` (default 8) is used up; the others are
    read again at each use.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self._kept: dict[int, Tensor] = {}
        self._free_bytes = _cache_bytes()

    def __len__(self) -> int:
        """How many volumes there are."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        """Volume `index`, (X, Y, Z) float32 in [0, 1]. Not to be written to."""
        if index in self._kept:
            return self._kept[index]
        volume = load_volume(self.paths[index])
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
    except (OSError, EOFError, ImageFileError) as error:
        raise UserError(
            f"{path}: cannot be read as an image ({error}); preprocess it again"
        ) from None
    orientation = "".join(nib.aff2axcodes(image.affine))
    if values.ndim != 3 or orientation != "RAS":
        raise UserError(
            f"{path}: expected a RAS+ volume of three axes, found {orientation}, {values.shape}"
        )
    if not np.isfinite(values).all():
        raise UserError(f"{path}: holds values that are not finite; preprocess it again")
    return torch.from_numpy(np.ascontiguousarray(values))


def common_shape(volumes: VolumeSet) -> tuple[int, int, int]:
    """The shape of the first volume, which the others must share."""
    if not len(volumes):
        raise UserError("there are no volumes to take the shape of")
    x, y, z = volumes[0].shape
    return x, y, z


def _cache_bytes() -> int:
    text = os.environ.get("LDAE_CACHE_GIB", str(DEFAULT_CACHE_GIB))
    try:
        return int(float(text) * 2**30)
    except ValueError:
        raise UserError(f"LDAE_CACHE_GIB: {text!r} is not a number of GiB") from None
