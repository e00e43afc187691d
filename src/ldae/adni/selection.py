"""Which image of a session becomes its T1-weighted scan, and why the others do not.

The rule, in this order:

1. The series name must say MPRAGE or IR-(F)SPGR, or be that of a processed image of the archive
   (MPR; ..., MT1; ...), and name nothing that only resembles one: other weightings, localizers,
   reformats, phantoms, masks.
2. The image must be plausible as a head scan (limits in the settings).
3. Of the images left in a session, those of the preferred kind (original or processed) come first,
   then by `CRITERIA`. The first is taken, or if it cannot be converted the next; each other one is
   recorded with the first criterion that it lost on.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ldae.adni.headers import Header
from ldae.adni.inventory import FoundImage
from ldae.adni.tables import Row
from ldae.config import Selection

_T1W = re.compile(r"mp_?rage|ir_?f?spgr")
_PROCESSED = re.compile(r"^mpr_|^mt1_")
_NOT_T1W = re.compile(
    r"flair|t2|dti|dwi|asl|swi|locali|scout|calib|phantom|field_?map|mask|harp|muse|normalized|hipp"
    r"|(?:^|_)mpr_(?:tra|cor|sag)"
)
_UNCORRECTED = re.compile(r"_nd(?:_|$)")  # the scanner's copy without distortion correction
_REPEAT = re.compile(r"repeat|^mpr_r_")
_ACCELERATED = re.compile(r"accel|sense|grappa|_s2(?:_|$)")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A T1-weighted image with what its choice depends on."""

    image: FoundImage
    name: str  # normalised series name
    processed: bool
    header: Header | None  # None: the first file cannot be read
    row: Row  # of the archive's list of images; may be empty
    acquired: datetime
    date_source: str
    participant_id: str
    rid: int  # the participant's number in the study tables
    months: int  # since the participant's first baseline

    @property
    def description(self) -> str:
        """Name of the series: as the archive lists it, else as the folders spell it."""
        return self.row.get("Description") or self.image.description


@dataclass(frozen=True)
class Exclusion:
    """Why an image is not in the dataset: a code to count by, and what a person may ask next."""

    reason: str
    detail: str | None = None


def normalise(description: str) -> str:
    """A series name however folders, lists and headers spell it: lower case, `_` between words."""
    return re.sub(r"[^0-9a-z]+", "_", description.lower()).strip("_")


def is_processed(image: FoundImage, name: str, listed_type: str | None) -> bool:
    """Whether the archive made the image from an original one."""
    if listed_type:
        return listed_type.lower() != "original"
    return image.postprocessed or bool(_PROCESSED.search(name))


def judge_series(name: str) -> Exclusion | None:
    """Why a series of this normalised name is no T1-weighted scan, or None if it is one."""
    if resembles := _NOT_T1W.search(name):
        return Exclusion("not_t1w", f"series name contains {resembles[0].strip('_')}")
    if not (_T1W.search(name) or _PROCESSED.search(name)):
        return Exclusion("not_t1w")
    return None


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


# What a candidate loses on, most important first; the smaller value wins.
CRITERIA: dict[str, Callable[[Candidate], Any]] = {
    "no_distortion_correction": lambda scan: bool(_UNCORRECTED.search(scan.name)),
    "repeat": lambda scan: bool(_REPEAT.search(scan.name)),
    "accelerated": lambda scan: bool(_ACCELERATED.search(scan.name)),
    "later_exam": lambda scan: scan.acquired.date(),
    "nifti_copy": lambda scan: scan.image.format == "NIfTI",
    "later_series": lambda scan: scan.header.series_number if scan.header else 0,
    "higher_image_id": lambda scan: scan.image.image_id,
}


def rank(candidates: Sequence[Candidate], rule: Selection) -> list[Candidate]:
    """The candidates of one session, best first."""
    return sorted(candidates, key=lambda scan: tuple(_standing(scan, rule).values()))


def lost_on(loser: Candidate, winner: Candidate, rule: Selection) -> str:
    """The first criterion on which `loser` stands behind `winner`."""
    ahead, behind = _standing(winner, rule), _standing(loser, rule)
    return next(name for name in ahead if ahead[name] < behind[name])


def _standing(scan: Candidate, rule: Selection) -> dict[str, Any]:
    disliked = {"original": "processed", "processed": "original"}[rule.prefer]
    kind = "processed" if scan.processed else "original"
    return {disliked: kind == disliked} | {
        name: criterion(scan) for name, criterion in CRITERIA.items()
    }
