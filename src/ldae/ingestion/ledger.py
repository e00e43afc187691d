"""The ledger of a download: one row per image found, used or the reason why not."""

import json
import re
from collections import defaultdict
from collections.abc import Hashable, Mapping
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from ldae.errors import UserError
from ldae.tables import KEYS

COLUMNS = {
    "image_id": "Number of the image in the archive",
    "series_id": "Number of the acquisition in the archive",
    "subject": "Subject id as the download spells it",
    "participant_id": "Label of the subject in the dataset",
    "session_id": "Visit the image belongs to; only T1-weighted images are placed",
    "status": "used or excluded",
    "lost_at": "Step of attrition.csv that the image did not reach",
    "reason": "Why the image is excluded",
    "detail": "More on the reason; of a used image, which better ones could not be",
    "description": "Name of the series",
    "kind": "original or processed",
    "format": "DICOM, NIfTI or other",
    "files": "Files the image consists of",
    "place": "Its first file, or its empty folder, in the download: identifies the row",
    "copies": "Other folders that hold the same bytes, joined by |",
    "acquired": "Local time of acquisition",
    "acquired_source": "Where the time is from",
    "flags": "What deserves a look, joined by |",
    "image": "Path in the dataset",
}

# Which step of the flow an image does not reach for a reason that is found before conversion.
# Others that planning finds (no_acquisition_date) keep an image from being placed.
STEP_OF_REASON = {
    "identified": {
        "no_image_id", "no_subject_id", "conflicting_copies", "conflicting_subjects",
        "empty_folder", "unknown_format", "unreadable_archive", "nested_archive",
        "no_subject", "no_path", "malformed_row", "missing_file", "listed_twice",
    },
    "t1w": {"not_t1w"},
    "plausible": {
        "too_few_slices", "voxels_too_large", "field_of_view_too_small", "failed_archive_quality",
    },
}  # fmt: skip

Row = Mapping[Hashable, Any]


def keep_ledger(planned: pd.DataFrame, tried: pd.DataFrame) -> pd.DataFrame:
    """One row per image with the columns of `COLUMNS`, by subject, time and number.

    Excluded images have a reason, used ones none, so that used and excluded add up to found.

    Args:
        planned: every image found, with the columns of `PLANNED`.
        tried: the images of which a conversion was tried, with the columns of `CONVERTED`.

    Raises:
        UserError: if the two do not belong together.
    """
    fates = _fates(planned, tried)
    sessions: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for image in planned[planned["rank"].notna()].sort_values("rank").to_dict("records"):
        sessions[image["participant_id"], image["session_id"]].append(image)
    verdicts = {
        place: verdict
        for candidates in sessions.values()
        for place, verdict in _judge_session(candidates, fates).items()
    }
    rows = [
        image | (verdicts.get(image["place"]) or _left_out(image))
        for image in planned.to_dict("records")
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("subject", "description", "detail"):
        frame[column] = frame[column].map(plain, na_action="ignore")
    frame = frame.astype({name: "Int64" for name in ("image_id", "series_id", "files")})
    return frame.sort_values(["subject", "acquired", "image_id", "place"], ignore_index=True)


def plain(text: str) -> str:
    """Text of a stranger as one cell: no line breaks or quotes, no start of a formula."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split()).replace('"', "'")
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def name_of(image: Row) -> str:
    """How a person finds an image: by its number in the archive, else by its file."""
    if pd.isna(image["image_id"]):
        return PurePosixPath(image["place"]).name
    return f"I{int(image['image_id'])}"


def _fates(planned: pd.DataFrame, tried: pd.DataFrame) -> dict[str, Row]:
    """What became of each image that was tried, by its place, if the tables fit each other."""
    fates: dict[str, Row] = {fate["place"]: fate for fate in tried.to_dict("records")}
    placed = planned[planned["rank"].notna()]
    sessions = dict(zip(placed["place"], placed[KEYS].itertuples(index=False), strict=True))
    for place, fate in fates.items():
        if sessions.get(place) != (fate["participant_id"], fate["session_id"]):
            raise UserError(
                f"{place} was converted for {fate['participant_id']} {fate['session_id']}, which"
                " the plan does not say; convert again (ldae convert-images)"
            )
    return fates


def _judge_session(candidates: list[Row], fates: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """The verdict on each image of a session, best first; at most one of them is used."""
    tried = [image for image in candidates if image["place"] in fates]
    used = [image for image in tried if pd.isna(fates[image["place"]]["reason"])]
    if len(used) > 1 or (not used and len(tried) < len(candidates)):
        raise UserError(
            f"{candidates[0]['participant_id']} {candidates[0]['session_id']}: {len(used)} images"
            f" used, {len(tried)} of {len(candidates)} tried; convert again (ldae convert-images)"
        )
    winner = used[0] if used else None
    instead = f"{name_of(winner)} is used instead" if winner else None
    failures = [(image, fates[image["place"]]) for image in tried if image is not winner]
    verdicts = {
        image["place"]: _excluded("converted", fate["reason"], fate["detail"], instead)
        for image, fate in failures
    }
    for image in candidates:
        if image is winner:
            passed_over = [f"{name_of(better)}: {fate['reason']}" for better, fate in failures]
            verdicts[image["place"]] = {
                "status": "used",
                "reason": None,
                "detail": f"used in place of {', '.join(passed_over)}" if passed_over else None,
                "image": fates[image["place"]]["image"],
            }
        elif winner and image["place"] not in verdicts:
            reason = f"not_selected:{_lost_on(image, winner)}"
            verdicts[image["place"]] = _excluded("selected", reason, f"{name_of(winner)} is used")
    return verdicts


def _lost_on(loser: Row, winner: Row) -> str:
    """The first criterion of standing on which two images of a session differ."""
    ahead, behind = json.loads(winner["standing"]), json.loads(loser["standing"])
    return next((name for name in ahead if ahead[name] != behind.get(name)), "order")


def _left_out(image: Row) -> dict[str, Any]:
    reason = image["reason"]
    if pd.isna(reason):
        raise UserError(f"{image['place']}: neither placed nor left out; plan the download again")
    step = next((step for step, reasons in STEP_OF_REASON.items() if reason in reasons), "placed")
    return _excluded(step, reason, image["detail"])


def _excluded(step: str, reason: str, *details: str | None) -> dict[str, Any]:
    known = [detail for detail in details if not pd.isna(detail)]
    detail = "; ".join(map(str, known)) or None
    return {"status": "excluded", "lost_at": step, "reason": reason, "detail": detail}
