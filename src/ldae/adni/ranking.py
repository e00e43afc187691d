"""In which order the T1-weighted images of a session are tried.

They are compared by these criteria, the first that differs decides:

- `processed`, or `original`: the kind that `selection.prefer` does not name.
- `less_processed`: of processed images, the fully processed one (N3 correction and scaling) comes
  before its earlier stages.
- `failed_archive_quality`: the archive's quality control refused it.
- `no_distortion_correction`: the scanner's uncorrected copy (`_ND`) of an image.
- `other_field_strength`: not that of `selection.prefer_tesla`; unknown ones count as preferred.
- `archive_not_selected`: the archive's quality control chose another series of the exam; series it
  says nothing of come between.
- `repeat`: the second of two scans in one exam.
- `accelerated`: a scan with parallel imaging, where the exam has a plain one.
- `later_exam`: a later day.
- `nifti_copy`: a NIfTI version of an image that is there as DICOM.
- `later_series`, `higher_image_id`: acquired, or archived, later.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from ldae.adni.images import FoundImage
from ldae.adni.selection import Kind
from ldae.config import Selection

Standing = dict[str, int | str]  # by criterion, most important first; the smaller value wins

_UNCORRECTED = re.compile(r"_nd(?:_|$)")
_REPEAT = re.compile(r"repeat|^mpr_r_")
_ACCELERATED = re.compile(r"accel|sense|grappa|_s2(?:_|$)")
_STAGES = (r"n3m?_scaled$", r"n3m?_scaled", r"n3m?(?:_|$)")  # of processing, the last one first
_TESLA_TOLERANCE = 0.5  # scanners say 1.494 and 2.89


@dataclass(frozen=True, eq=False)
class Candidate:
    """A T1-weighted image with what its rank depends on."""

    image: FoundImage
    name: str  # normalised, of the series
    kind: Kind
    day: date  # of acquisition
    tesla: float | None = None
    quality: Literal["pass", "fail"] | None = None  # by the archive's control
    selected: bool | None = None  # by the archive, from the series of an exam
    series_number: int = 0


def rank(candidates: Iterable[Candidate], rule: Selection) -> list[tuple[Candidate, Standing]]:
    """The candidates of one session, best first, each with its standing."""
    standings = [(scan, _standing(scan, rule)) for scan in candidates]
    return sorted(standings, key=lambda one: (*one[1].values(), one[0].image.place))


def _standing(scan: Candidate, rule: Selection) -> Standing:
    disliked = {"original": "processed", "processed": "original"}[rule.prefer]
    return {
        disliked: int(scan.kind == disliked),
        "less_processed": _stages_missing(scan),
        "failed_archive_quality": int(scan.quality == "fail"),
        "no_distortion_correction": int(bool(_UNCORRECTED.search(scan.name))),
        "other_field_strength": int(_is_other_strength(scan.tesla, rule.prefer_tesla)),
        "archive_not_selected": {True: 0, None: 1, False: 2}[scan.selected],
        "repeat": int(bool(_REPEAT.search(scan.name))),
        "accelerated": int(bool(_ACCELERATED.search(scan.name))),
        "later_exam": scan.day.isoformat(),
        "nifti_copy": int(scan.image.format == "NIfTI"),
        "later_series": scan.series_number,
        "higher_image_id": scan.image.image_id or 0,
    }


def _stages_missing(scan: Candidate) -> int:
    if scan.kind == "original":
        return 0
    reached = (stage for stage, last in enumerate(_STAGES) if re.search(last, scan.name))
    return next(reached, len(_STAGES))


def _is_other_strength(tesla: float | None, preferred: float | None) -> bool:
    if tesla is None or preferred is None:
        return False
    return abs(tesla - preferred) > _TESLA_TOLERANCE
