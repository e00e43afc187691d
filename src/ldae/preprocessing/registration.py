"""From the brain to the template: the transform that resamples the scan, in both directions."""

import shutil
import tempfile
from pathlib import Path

import ants
import numpy as np

from ldae.config import Registration
from ldae.preprocessing.brain import Brain
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, Matrix, coarsen
from ldae.preprocessing.linear import SEED, Kind, Step, register, to_ants, write_linear
from ldae.preprocessing.template import load_template
from ldae.runtime import atomic_path

COARSEST_MM = 8.0
SYN_ITERATIONS = (40, 20, 10)  # coarsest level first


def register_to_template(
    image: Image, brain: Brain, settings: Registration, *, forward: Path, inverse: Path
) -> None:
    """Register the brain of `image` to the template and write the transforms.

    Args:
        image: the bias-corrected scan.
        brain: its mask, and the affine found on the way to it, from which this starts.
        settings: degrees of freedom, and the voxel size of the finest level.
        forward: transform that resamples the scan in template space.
        inverse: transform that resamples the template in the scan's space.

    Raises:
        ScanError: ANTs gives up.
    """
    fixed = load_template(settings.resolution_mm).brain
    moving = coarsen(image.with_data(image.data * brain.mask.data), settings.resolution_mm)
    if settings.transform == "rigid":
        start = _rigid_part(brain.mapping, fixed)
        mapping = register(
            fixed, moving, start=start, steps=_steps("Rigid", settings.resolution_mm)
        )
    else:
        steps = _steps("Affine", settings.resolution_mm)
        mapping = register(fixed, moving, start=brain.mapping, steps=steps)
    if settings.transform == "syn":
        _deform(fixed, moving, mapping, settings.resolution_mm, forward=forward, inverse=inverse)
    else:
        write_linear(mapping, forward)
        write_linear(np.linalg.inv(mapping), inverse)


def _shrink_factors(resolution_mm: float) -> tuple[int, ...]:
    """Powers of two from the coarsest voxels worth using down to 1."""
    levels = max(0, int(np.floor(np.log2(COARSEST_MM / resolution_mm) + 1e-9)))
    return tuple(2**level for level in range(levels, -1, -1))


def _steps(kind: Kind, resolution_mm: float) -> tuple[Step, ...]:
    """One step through all levels; fewer iterations and samples where voxels are many.

    The start is good, and a fraction of a fine level's voxels determines the metric well.
    """
    shrink = _shrink_factors(resolution_mm)
    return (
        Step(
            kind,
            iterations=tuple(20 * factor for factor in shrink),
            shrink=shrink,
            blur=tuple(int(np.log2(factor)) for factor in shrink),
            sampled=0.1,
        ),
    )


def _rigid_part(mapping: Matrix, fixed: Image) -> Matrix:
    """The rotation nearest to the affine, which keeps the image of the template's middle."""
    left, _, right = np.linalg.svd(mapping[:3, :3])
    middle = fixed.affine[:3, :3] @ ((np.array(fixed.data.shape) - 1) / 2) + fixed.affine[:3, 3]
    rigid = np.eye(4)
    rigid[:3, :3] = left @ right
    rigid[:3, 3] = mapping[:3, :3] @ middle + mapping[:3, 3] - rigid[:3, :3] @ middle
    return rigid


def _deform(
    fixed: Image,
    moving: Image,
    mapping: Matrix,
    resolution_mm: float,
    *,
    forward: Path,
    inverse: Path,
) -> None:
    """SyN from the affine, as composites (Avants et al. 2008, doi:10.1016/j.media.2007.06.004)."""
    ants.config.set_ants_deterministic(True, SEED)
    levels = len(_shrink_factors(resolution_mm))
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.txt"
        write_linear(mapping, start)
        try:
            ants.registration(
                to_ants(fixed),
                to_ants(moving),
                "SyNOnly",
                initial_transform=[str(start)],
                outprefix=f"{folder}/",
                reg_iterations=SYN_ITERATIONS[:levels],
                write_composite_transform=True,
            )
        except RuntimeError as error:
            raise ScanError("registration-failed", str(error)) from None
        for name, target in (("Composite.h5", forward), ("InverseComposite.h5", inverse)):
            with atomic_path(target) as temporary:
                shutil.copyfile(Path(folder) / name, temporary)
