"""One preprocessed scan given by hand, checked against what a model was trained on."""

from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldae.data.volumes import load_volume, voxel_spacing
from ldae.errors import UserError
from ldae.runtime import atomic_path

REMEDY = (
    "run `ldae preprocess IMAGE --output FOLDER --settings FILE` on the raw image, with the grid "
    "and the other settings the model was trained with"
)
SPACING_TOLERANCE = 0.01


class SingleScan(NamedTuple):
    """A volume `(1, 1, X, Y, Z)` in [0, 1], its affine (mm) and its file's name, bare."""

    x: Tensor
    affine: NDArray[np.float64]
    name: str


def load_single_scan(
    path: Path, *, shape: tuple[int, ...], spacing_mm: tuple[float, ...]
) -> SingleScan:
    """Read a preprocessed volume on the grid of a model.

    Raises:
        UserError: it cannot be read, has another shape or spacing, or values outside [0, 1].
    """
    volume = load_volume(path)
    spacing = voxel_spacing(path)
    same_spacing = np.allclose(spacing, spacing_mm, rtol=SPACING_TOLERANCE, atol=0)
    if tuple(volume.shape) != shape or not same_spacing:
        raise UserError(
            f"{path}: {_times(volume.shape)} voxels of {_times(spacing)} mm, but the model reads "
            f"{_times(shape)} voxels of {_times(spacing_mm)} mm; {REMEDY}"
        )
    low, high = float(volume.min()), float(volume.max())
    if low < 0 or high > 1 or low == high:
        raise UserError(
            f"{path}: intensities from {low:g} to {high:g}, expected within [0, 1]; {REMEDY}"
        )
    affine = np.asarray(nib.load(path).affine)
    return SingleScan(volume[None, None], affine, path.name.split(".nii")[0])


def save_volume(volume: Tensor, affine: NDArray[Any], path: Path) -> None:
    """Write `(X, Y, Z)` as NIfTI float32, atomically."""
    image = nib.Nifti1Image(volume.cpu().numpy().astype(np.float32), affine)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def as_volume(tensor: Tensor) -> NDArray[np.float32]:
    """`(1, 1, X, Y, Z)` as an array `(X, Y, Z)`."""
    return torch.squeeze(tensor, (0, 1)).cpu().numpy()


def _times(sizes: tuple[float, ...]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
