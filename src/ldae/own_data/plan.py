"""A user's own images as the tables that ingestion goes on from: participants, sessions, ranks."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ldae.bids import session_label
from ldae.imaging.plausibility import Exclusion
from ldae.own_data.words import diagnosis_at_enrolment, diagnosis_of, in_natural_order, label
from ldae.parsing import parse_float
from ldae.tables import CANDIDATES, PLANNED

DAYS_PER_MONTH = 30.4375
OLDEST = 120.0  # years

Row = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A value in somebody's words, where it is from, and days from the scan to its day."""

    words: str | None = None
    source: str | None = None
    offset_days: int | None = None


@dataclass(frozen=True)
class OwnImage:
    """One image with what is told of it; `exclusion` says why it cannot be a scan."""

    place: str
    subject: str | None  # one name per subject, without `sub-`
    session: str | None  # one name per session, without `ses-`; None: the only one
    exclusion: Exclusion | None = None
    subject_id: str | None = None  # as an archive spells it
    image_id: int | None = None
    months: int | None = None  # since baseline, where told
    day: date | None = None  # of the visit, to count months by
    acquired: str | None = None
    age: Told = field(default_factory=Told)
    sex: Told = field(default_factory=Told)
    diagnosis: Told = field(default_factory=Told)
    first_age: Told = field(default_factory=Told)  # at the subject's first session
    first_diagnosis: Told = field(default_factory=Told)
    baseline: str | None = None  # diagnosis at enrolment
    field_strength: float | None = None
    manufacturer: str | None = None


@dataclass(frozen=True)
class OwnPlan:
    """What is to be done with each image; files are relative to `root`, or absolute."""

    planned: pd.DataFrame  # with the columns of `PLANNED`
    candidates: pd.DataFrame  # with the columns of `CANDIDATES`
    root: Path


@dataclass(frozen=True)
class _Visit:
    months: int
    first: bool  # of its subject
    by_order: bool  # the months only count the sessions


def make_plan(images: Iterable[OwnImage], root: Path) -> OwnPlan:
    """Give each usable image its participant, session and rank; of several the first by name."""
    ordered = sorted(images, key=lambda image: (in_natural_order(image.place), image.place))
    usable: dict[str, dict[str | None, list[OwnImage]]] = defaultdict(lambda: defaultdict(list))
    for image in ordered:
        if image.subject and not image.exclusion:
            usable[image.subject][image.session].append(image)
    names = label(image.subject for image in ordered if image.subject)
    rows = {image.place: _row(image, names) for image in ordered}
    candidates = []
    for subject, sessions in sorted(usable.items()):
        visits = _visits(sessions)
        session_ids = _session_ids(visits)
        for session, rivals in sessions.items():
            visit, session_id = visits[session], session_ids[session]
            for rank, image in enumerate(rivals):
                rows[image.place] |= {
                    "session_id": session_id,
                    "months": visit.months,
                    "rank": rank,
                    "standing": json.dumps({"later_name": rank}),
                    **_on_the_day(image, visit),
                }
                candidates.append(
                    {
                        "participant_id": f"sub-{names[subject]}",
                        "session_id": session_id,
                        "rank": rank,
                        "image_id": image.image_id,
                        "place": image.place,
                        "format": "NIfTI",
                        "files": [image.place],
                    }
                )
    candidates.sort(key=lambda row: (row["participant_id"], row["session_id"], row["rank"]))
    return OwnPlan(_frame(list(rows.values()), PLANNED), _frame(candidates, CANDIDATES), root)


def _row(image: OwnImage, names: Mapping[str, str]) -> Row:
    why = image.exclusion
    name = Path(image.place).name
    return {
        "image_id": image.image_id,
        "subject": image.subject_id or image.subject,
        "participant_id": f"sub-{names[image.subject]}" if image.subject else None,
        "reason": why.reason if why else None,
        "detail": why.detail if why else None,
        "description": name.removesuffix(".gz").removesuffix(".nii"),
        "kind": "original",
        "format": "NIfTI" if name.lower().endswith((".nii", ".nii.gz")) else "other",
        "files": 1,
        "place": image.place,
        "acquired": image.acquired,
        "acquired_source": "scans.tsv" if image.acquired else None,
        "field_strength": image.field_strength,
        "manufacturer": image.manufacturer,
    }


def _on_the_day(image: OwnImage, visit: _Visit) -> Row:
    """Age, sex and diagnosis; what is told of a subject alone counts for the first session."""
    flags = ["months_by_order"] if visit.by_order else []
    age, years = image.age, _years(image.age.words)
    if age.words is None and (visit.first or not visit.by_order):
        age, first = image.first_age, _years(image.first_age.words)
        years = round(first + visit.months / 12, 2) if first is not None else None
    if age.words is not None and years is None:
        flags.append("implausible_age")
    diagnosis = image.diagnosis
    if diagnosis.words is None and visit.first:
        diagnosis = image.first_diagnosis
    if diagnosis.words is not None and diagnosis_of(diagnosis.words) is None:
        flags.append("unknown_diagnosis")
    return {
        "age": years,
        "age_source": age.source if age.words is not None else None,
        "age_offset_days": age.offset_days,
        "sex": image.sex.words,
        "sex_source": image.sex.source if image.sex.words else None,
        "diagnosis": diagnosis_of(diagnosis.words),
        "diagnosis_source": diagnosis.source if diagnosis.words is not None else None,
        "diagnosis_offset_days": diagnosis.offset_days,
        "diagnosis_raw": diagnosis.words,
        "diagnosis_baseline": diagnosis_at_enrolment(image.baseline),
        "flags": "|".join(flags) or None,
    }


def _session_ids(visits: Mapping[str | None, _Visit]) -> dict[str | None, str]:
    """Labels of a subject's sessions; one without a name is called by its months."""
    names = label(session for session in visits if session)
    ids: dict[str | None, str] = {session: f"ses-{names[session]}" for session in visits if session}
    if None in visits:
        ids[None] = session_label(visits[None].months)
        while list(ids.values()).count(ids[None]) > 1:
            ids[None] += "x"
    return ids


def _visits(sessions: Mapping[str | None, Sequence[OwnImage]]) -> dict[str | None, _Visit]:
    """Months of a subject's sessions: as told, else from days, else from ages, else their order."""
    names = sorted(sessions, key=lambda name: in_natural_order(name or ""))
    first = {name: sessions[name][0] for name in names}
    told = {name: image.months for name, image in first.items() if image.months is not None}
    days = {name: image.day for name, image in first.items() if image.day}
    ages = {name: years for name, image in first.items() if (years := _years(image.age.words))}
    by_order = False
    if len(told) == len(names):
        months = told
    elif len(days) == len(names):
        start = min(days.values())
        months = {name: round((day - start).days / DAYS_PER_MONTH) for name, day in days.items()}
    elif len(ages) == len(names):
        youngest = min(ages.values())
        months = {name: round((age - youngest) * 12) for name, age in ages.items()}
    else:
        by_order = len(names) > 1
        months = {name: place for place, name in enumerate(names)}
    earliest = min(names, key=lambda name: months[name])
    return {name: _Visit(months[name], name == earliest, by_order) for name in names}


def _years(words: str | None) -> float | None:
    years = parse_float(words)
    return years if years and years <= OLDEST else None


def _frame(rows: list[Row], schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = pa.Table.from_pylist(rows, schema=schema).to_pandas()
    return frame
