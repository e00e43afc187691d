"""Whether an image can be the scan of a head, by its size; limits are settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from ldae.config import Selection


@dataclass(frozen=True)
class Exclusion:
    """Why an image is not in the dataset: a code to count by, and what a person may ask next."""

    reason: str
    detail: str | None = None


def judge_size(
    shape: Sequence[int], spacing_mm: Sequence[float], limits: Selection
) -> Exclusion | None:
    """Why a volume is no head scan: fewest slices, largest voxel, smallest field of view.

    Axes whose spacing is not known yet are left out; conversion makes it known.
    """
    slices = min(shape[:3])
    if slices < limits.min_slices:
        return Exclusion("too_few_slices", f"{slices} slices, fewer than {limits.min_slices}")
    if spacing_mm and max(spacing_mm) > limits.max_voxel_mm:
        return Exclusion(
            "voxels_too_large", f"{max(spacing_mm):g} mm, more than {limits.max_voxel_mm:g} mm"
        )
    extent = min(
        (voxels * size for voxels, size in zip(shape, spacing_mm, strict=False)), default=None
    )
    if extent is not None and extent < limits.min_extent_mm:
        return Exclusion(
            "field_of_view_too_small", f"{extent:g} mm, less than {limits.min_extent_mm:g} mm"
        )
    return None
