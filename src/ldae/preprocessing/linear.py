"""Linear registration and its files: 4×4 matrices from fixed to moving millimetres, RAS+."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ants
import numpy as np

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, Matrix
from ldae.runtime import write_text

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's world is LPS
SEED = 1  # ANTs draws its samples from this
Kind = Literal["Rigid", "Similarity", "Affine"]


@dataclass(frozen=True)
class Step:
    """One linear registration, coarse levels first: iterations, shrink factors, blur in voxels."""

    kind: Kind
    iterations: tuple[int, ...]
    shrink: tuple[int, ...]
    blur: tuple[int, ...]
    sampled: float  # fraction of the voxels the metric looks at


def to_ants(image: Image) -> Any:
    """The image as ANTs holds it (LPS)."""
    spacing = image.spacing
    lps = RAS_TO_LPS @ image.affine
    return ants.from_numpy(
        np.ascontiguousarray(image.data, dtype=np.float32),
        origin=lps[:3, 3].tolist(),
        spacing=spacing.tolist(),
        direction=lps[:3, :3] / spacing,
    )


def register(
    fixed: Image,
    moving: Image,
    *,
    start: Matrix,
    steps: tuple[Step, ...],
    moving_zone: Image | None = None,
) -> Matrix:
    """Refine `start`, the matrix from fixed to moving millimetres, by mutual information.

    Only samples that fall into `moving_zone` count. Repeatable with one ITK thread.

    Raises:
        ScanError: ANTs gives up.
    """
    ants.config.set_ants_deterministic(True, SEED)
    target, source = to_ants(fixed), to_ants(moving)
    zone = None if moving_zone is None else to_ants(moving_zone)
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "start.txt"
        write_linear(start, current)
        for number, step in enumerate(steps):
            try:
                ants.registration(
                    target,
                    source,
                    step.kind,
                    initial_transform=str(current),
                    outprefix=f"{folder}/{number}_",
                    moving_mask=zone,
                    mask_all_stages=True,
                    aff_iterations=step.iterations,
                    aff_shrink_factors=step.shrink,
                    aff_smoothing_sigmas=step.blur,
                    aff_random_sampling_rate=step.sampled,
                )
            except RuntimeError as error:
                raise ScanError("registration-failed", str(error)) from None
            current = Path(folder) / f"{number}_0GenericAffine.mat"
        return _read_linear(current)


def write_linear(mapping: Matrix, path: Path) -> None:
    """Write the matrix as an ITK text transform, which carries fixed points to moving points."""
    lps = RAS_TO_LPS @ mapping @ RAS_TO_LPS
    numbers = [*lps[:3, :3].ravel(), *lps[:3, 3]]
    write_text(
        path,
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {' '.join(f'{number:.17g}' for number in numbers)}\nFixedParameters: 0 0 0\n",
    )


def _read_linear(path: Path) -> Matrix:
    transform = ants.read_transform(str(path))
    numbers, centre = np.asarray(transform.parameters), np.asarray(transform.fixed_parameters)
    lps = np.eye(4)
    lps[:3, :3] = numbers[:9].reshape(3, 3)
    lps[:3, 3] = numbers[9:] + centre - lps[:3, :3] @ centre
    return np.asarray(RAS_TO_LPS @ lps @ RAS_TO_LPS)
