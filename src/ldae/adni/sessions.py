"""From images found to sessions: who and when each T1-weighted image is of, and its rank there."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ldae.adni.headers import Header, read_header
from ldae.adni.inventory import FoundImage
from ldae.adni.participants import Participant
from ldae.adni.selection import (
    Candidate,
    Exclusion,
    is_processed,
    judge_series,
    judge_size,
    normalise,
    rank,
)
from ldae.adni.tables import Row, StudyTables, parse_date, parse_int, roster_id
from ldae.adni.visits import months_at
from ldae.bids import participant_label
from ldae.config import Selection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What to convert: candidates of each session, best first, and why other images are out."""

    sessions: tuple[tuple[Candidate, ...], ...]  # by participant and months
    exclusions: Mapping[FoundImage, Exclusion]


def plan_sessions(
    images: Iterable[FoundImage],
    tables: StudyTables,
    participants: Mapping[int, Participant],
    *,
    download: Path,
    rule: Selection,
) -> Plan:
    """Judge every image, place the T1-weighted ones in sessions, and rank those of each."""
    listed = {parse_int(row["Image Data ID"]): row for row in tables.images}
    exclusions: dict[FoundImage, Exclusion] = {}
    by_participant: dict[str, list[Candidate]] = defaultdict(list)
    for image in images:
        verdict = _consider(image, listed.get(image.image_id, {}), download, rule)
        if isinstance(verdict, Exclusion):
            exclusions[image] = verdict
        else:
            by_participant[verdict.participant_id].append(verdict)
    sessions = []
    for _, scans in sorted(by_participant.items()):
        first_scan = min(scan.acquired.date() for scan in scans)
        by_months: dict[int, list[Candidate]] = defaultdict(list)
        for scan in scans:
            person = participants.get(scan.rid, Participant())
            months = months_at(scan.acquired.date(), person, first_scan=first_scan)
            by_months[months].append(replace(scan, months=months))
        sessions += [tuple(rank(scans, rule)) for _, scans in sorted(by_months.items())]
    return Plan(tuple(sessions), exclusions)


def _consider(
    image: FoundImage, row: Row, download: Path, rule: Selection
) -> Candidate | Exclusion:
    """A candidate whose months are still to be found, or why the image is none."""
    rid = roster_id(image.ptid)
    if image.fault or image.ptid is None or rid is None:
        return Exclusion(image.fault or "no_subject_id")
    name = normalise(row.get("Description") or image.description)
    if not_t1w := judge_series(name):
        return not_t1w
    header = read_header(image, download)
    if header and (implausible := judge_size(header.shape, header.spacing_mm, rule)):
        return implausible
    acquired, source = _acquired(image, header, row)
    if acquired is None:
        return Exclusion("no_acquisition_date")
    return Candidate(
        image=image,
        name=name,
        processed=is_processed(image, name, row.get("Type")),
        header=header,
        row=row,
        acquired=acquired,
        date_source=source,
        participant_id=participant_label(image.ptid),
        rid=rid,
        months=0,
    )


def _acquired(image: FoundImage, header: Header | None, row: Row) -> tuple[datetime | None, str]:
    """When the image was acquired, from the nearest witness."""
    if header and header.acquired:
        if image.exam_time and abs(header.acquired - image.exam_time).days > 1:
            log.warning(
                "I%s: acquired %s by its header, %s by its folder; the header is used",
                image.image_id,
                header.acquired.date(),
                image.exam_time.date(),
            )
        return header.acquired, "image header"
    if image.exam_time:
        return image.exam_time, "date folder"
    day = parse_date(row.get("Acq Date"))
    return (datetime.combine(day, datetime.min.time()) if day else None), "image list"
