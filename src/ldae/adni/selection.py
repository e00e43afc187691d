"""Which images are T1-weighted head scans, and which of a session's becomes its scan: the rule.

1. What is no usable image is left out: folders without files, formats other than DICOM and NIfTI,
   images without an image or subject id, and images whose copies differ (`inventory`).
2. The series name must say MPRAGE or IR-(F)SPGR, or be that of an image processed by the archive
   (MPR; ..., MT1; ...), and name nothing that only resembles one: other weightings, localizers,
   reformats, phantoms, masks, images in the space of a template (`judge_series`). The name is that
   in the archive's metadata or lists; without these, that of the folder. Else: `not_t1w`.
3. The first file's header must be that of a head scan: slices, voxel size and field of view, with
   the limits `selection.min_slices`, `max_voxel_mm` and `min_extent_mm`.
4. An image that failed the archive's own quality control is left out (`failed_archive_quality`),
   unless `selection.archive_quality` is `ignore`.
5. The image must have a date of acquisition; it and its visit decide to which session it belongs
   (`plan`, `visits`). All images of one series id are of one acquisition, so of one session.
6. The images of a session are ranked by the criteria of `ranking`. The first is taken, or if it
   cannot be converted the next; each other one is recorded as `not_selected:` and the first
   criterion by which it stands behind the one taken. So no session has two scans.
"""

import re
from typing import Literal

from ldae.imaging.plausibility import Exclusion

Kind = Literal["original", "processed"]

_T1W = re.compile(r"mp_?rage|ir_?f?spgr")
_PROCESSED = re.compile(r"^mpr_|^mt1_")
_NOT_T1W = re.compile(
    r"flair|t2|dti|dwi|asl|swi|locali|scout|calib|phantom|field_?map|hipp"
    r"|mask|harp|muse|normali[sz]ed|reorient|(?:^|_)mpr_(?:tra|cor|sag)"
)


def normalise(description: str) -> str:
    """A series name however folders, lists and headers spell it: lower case, `_` between words."""
    return re.sub(r"[^0-9a-z]+", "_", description.lower()).strip("_")


def judge_series(name: str) -> Exclusion | None:
    """Why a series of this normalised name is no T1-weighted scan, or None if it is one."""
    if resembles := _NOT_T1W.search(name):
        return Exclusion("not_t1w", f"series name contains {resembles[0].strip('_')}")
    if not (_T1W.search(name) or _PROCESSED.search(name)):
        return Exclusion("not_t1w")
    return None


def kind_by_name(name: str, *, postprocessed: bool) -> Kind:
    """Whether the archive made an image from another one, where its records do not say.

    Args:
        name: normalised name of its series.
        postprocessed: whether its file names say so.
    """
    return "processed" if postprocessed or _PROCESSED.search(name) else "original"
