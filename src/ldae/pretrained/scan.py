"""One preprocessed scan from a file, held against what the models read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from ldae.data.volumes import UNREADABLE
from ldae.errors import UserError
from ldae.pretrained.contract import ScanContract
from ldae.pretrained.sidecar import remarks, wrong_quality, wrong_words

Volume = NDArray[np.float32]
SPACING_TOLERANCE = 0.01  # of the voxel size
PLACE_TOLERANCE = 0.1  # of a voxel
ROUNDING = 1e-5  # of intensities
REMEDY = (
    "preprocess the raw image (--preprocess, `ldae preprocess IMAGE --models MODELS --output "
    "FOLDER`, or `model.preprocess`)"
)


class Violation(UserError):  # noqa: N818  (named for the reader of the message)
    """A scan is not what the models read; made from its raw image again, it may be."""


@dataclass(frozen=True)
class Scan:
    """A preprocessed scan: `volume` (X, Y, Z) float32 in [0, 1], RAS+; `affine` (4, 4) to mm.

    `remarks` say what of how it was made is unknown, or not as for the training scans.
    """

    volume: Volume
    affine: NDArray[np.float64]
    name: str
    path: Path | None = None
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Reader:
    """Reads scans for models of a grid; `contract` is None beside weights that came without one."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, ...]
    contract: ScanContract | None

    def read(self, path: Path) -> Scan:
        """The scan in a NIfTI file.

        Raises:
            Violation: it is not what the models read, and in what.
            UserError: there is no such file.
        """
        if not path.is_file():
            what = "a folder, not a file" if path.is_dir() else "there is no such file"
            raise UserError(f"{path}: {what}")
        values, affine = _load(path)
        for wrong in self._wrong_with(values, affine, path):
            raise Violation(f"{path}: {wrong}; {REMEDY}")
        said = () if self.contract is None else tuple(remarks(path, self.contract))
        return Scan(values, affine, path.name.split(".nii")[0], path, said)

    def check(self, volume: Volume) -> Volume:
        """A volume (X, Y, Z) that is in memory, as float32.

        Raises:
            Violation: it has another shape, or values that are not finite or beyond [0, 1].
        """
        values = np.asarray(volume, dtype=np.float32)
        if values.shape != self.shape:
            raise Violation(f"a volume of {_times(values.shape)} voxels, not {_times(self.shape)}")
        for wrong in _wrong_values(values):
            raise Violation(f"a volume with {wrong}")
        return values

    def _wrong_with(self, values: Volume, affine: NDArray[np.float64], path: Path) -> Iterator[str]:
        yield from self._wrong_grid(values, affine)
        if self.contract is not None:
            yield from _wrong_place(affine, self.contract)
            yield from wrong_words(path, self.contract)
        yield from _wrong_values(values)
        if self.contract is not None:
            yield from _wrong_share(values, self.contract)
            yield from wrong_quality(path, self.contract)

    def _wrong_grid(self, values: Volume, affine: NDArray[np.float64]) -> Iterator[str]:
        spacing = [round(float(size), 4) for size in voxel_sizes(affine)]
        same = np.allclose(spacing, self.spacing_mm, rtol=SPACING_TOLERANCE, atol=0)
        if values.shape != self.shape or not same:
            yield (
                f"{_times(values.shape)} voxels of {_times(spacing)} mm, but the models read "
                f"{_times(self.shape)} voxels of {_times(self.spacing_mm)} mm"
            )
        axes = "".join(axis or "?" for axis in nib.aff2axcodes(affine))
        if axes != "RAS":
            yield f"its axes run {axes}, not RAS"


def _load(path: Path) -> tuple[Volume, NDArray[np.float64]]:
    """Voxels (X, Y, Z) and affine of a NIfTI file."""
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image | nib.Nifti2Image):
            raise Violation(f"{path}: not a NIfTI file but {type(image).__name__}; {REMEDY}")
        shape, kind = image.shape, image.get_data_dtype().kind
        single = len(shape) > 3 and set(shape[3:]) == {1}
        if len(shape) != 3 and not single:
            raise Violation(f"{path}: {len(shape)} axes ({_times(shape)}), not one volume")
        if kind not in "biuf":
            raise Violation(f"{path}: voxels of type {image.get_data_dtype()}, not intensities")
        values = np.asarray(image.dataobj, dtype=np.float32).reshape(shape[:3])
    except UNREADABLE as error:
        raise Violation(
            f"{path}: cannot be read as a NIfTI file ({' '.join(str(error).split())})"
        ) from None
    return np.ascontiguousarray(values), np.asarray(image.affine, np.float64)


def _wrong_values(values: Volume) -> Iterator[str]:
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        yield f"{unknown} voxels that are not finite (NaN or infinite)"
        return
    low, high = float(values.min()), float(values.max())
    if low == high:
        yield f"the same value, {low:g}, in every voxel: it is empty"
    elif low < -ROUNDING or high > 1 + ROUNDING:
        yield f"intensities from {low:g} to {high:g}, expected within [0, 1]"


def _wrong_place(affine: NDArray[np.float64], contract: ScanContract) -> Iterator[str]:
    """Its corners must lie where those of the training scans do."""
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    corners[:, :3] *= np.array(contract.shape) - 1
    apart = corners @ (affine - np.array(contract.affine)).T
    far = float(np.linalg.norm(apart[:, :3], axis=1).max())
    if far > PLACE_TOLERANCE * contract.spacing_mm:
        yield (
            f"it lies elsewhere, by {far:.1f} mm: its grid is not the models' in {contract.space}"
        )


def _wrong_share(values: Volume, contract: ScanContract) -> Iterator[str]:
    share, (least, most) = float((values > 0).mean()), contract.brain_share
    if share > most:
        yield (
            f"{share:.0%} of its voxels are not 0, where a brain takes {least:.0%} to {most:.0%}: "
            "its skull is not removed, or its background not 0"
        )
    elif share < least:
        yield f"{share:.0%} of its voxels are brain, where one takes {least:.0%} to {most:.0%}"


def _times(sizes: Iterable[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
