"""The ledger of a download: one row per image found, used or the reason why not."""

from collections.abc import Iterable

import pandas as pd

from ldae.adni.conversion import Converted
from ldae.adni.inventory import FoundImage
from ldae.adni.selection import Candidate, Exclusion, lost_on
from ldae.adni.sessions import Plan
from ldae.bids import participant_label, session_label, t1w_path
from ldae.config import Selection

COLUMNS = {
    "image_id": "Number of the image in the archive",
    "series_id": "Number of the acquisition in the archive",
    "subject": "Subject id of the archive",
    "participant_id": "Label of the subject in the dataset",
    "session_id": "Visit the image belongs to; only T1-weighted images are placed",
    "description": "Name of the series",
    "format": "DICOM or NIfTI",
    "files": "Files the image consists of",
    "folder": "Folder of the first file, relative to the download",
    "acquired": "Local time of acquisition",
    "acquired_source": "Where the time is from",
    "status": "used or excluded",
    "reason": "Why the image is excluded",
    "detail": "More on the reason",
    "image": "Path in the dataset",
}


def keep_ledger(
    images: Iterable[FoundImage],
    plan: Plan,
    converted: Iterable[Converted],
    rule: Selection,
) -> pd.DataFrame:
    """One row per image with the columns of `COLUMNS`, by subject, time and number.

    Excluded images have a reason, used ones none, so that used and excluded add up to found.
    """
    exclusions = dict(plan.exclusions)
    used: dict[FoundImage, str | None] = {}
    for ranked, result in zip(plan.sessions, converted, strict=True):
        failed = dict(result.failures)
        for scan in ranked:
            if scan is result.scan:
                used[scan.image] = _rescued(result)
            elif scan in failed:
                exclusions[scan.image] = _failed(failed[scan], result)
            elif result.scan:
                exclusions[scan.image] = Exclusion(
                    f"not_selected:{lost_on(scan, result.scan, rule)}",
                    f"I{result.scan.image.image_id} is used",
                )
    placed = {scan.image: scan for ranked in plan.sessions for scan in ranked}
    rows = [
        _row(image, placed.get(image))
        | _verdict(placed.get(image), exclusions.get(image), used.get(image))
        for image in images
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    whole_numbers = {"image_id": "Int64", "series_id": "Int64", "files": "Int64"}
    order = ["subject", "acquired", "image_id", "folder", "format"]
    return frame.astype(whole_numbers).sort_values(order, ignore_index=True)


def _row(image: FoundImage, scan: Candidate | None) -> dict[str, object]:
    acquired = scan.acquired if scan else image.exam_time
    return {
        "image_id": image.image_id,
        "series_id": image.series_id,
        "subject": image.ptid,
        "participant_id": participant_label(image.ptid) if image.ptid else None,
        "session_id": session_label(scan.months) if scan else None,
        "description": scan.description if scan else image.description,
        "format": image.format,
        "files": len(image.files),
        "folder": image.folder,
        "acquired": acquired.isoformat() if acquired else None,
        "acquired_source": scan.date_source if scan else "date folder" if acquired else None,
    }


def _verdict(
    scan: Candidate | None, exclusion: Exclusion | None, note: str | None
) -> dict[str, object]:
    if exclusion:
        return {"status": "excluded", "reason": exclusion.reason, "detail": exclusion.detail}
    assert scan is not None  # an image is placed in a session or excluded
    path = t1w_path(scan.participant_id, session_label(scan.months))
    return {"status": "used", "reason": None, "detail": note, "image": path.as_posix()}


def _rescued(result: Converted) -> str | None:
    """Which better images had to be passed over."""
    passed_over = [f"I{scan.image.image_id}: {why.reason}" for scan, why in result.failures]
    return f"used in place of {', '.join(passed_over)}" if passed_over else None


def _failed(why: Exclusion, result: Converted) -> Exclusion:
    if result.scan is None:
        return why
    instead = f"I{result.scan.image.image_id} is used instead"
    return Exclusion(why.reason, "; ".join(filter(None, [why.detail, instead])))
