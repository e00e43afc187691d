"""Who the participants are: what the study tables know of each, in one record.

Tables are joined by the participant's number (RID), which every table has.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from ldae.adni.tables import (
    Row,
    StudyTables,
    parse_date,
    parse_int,
    parse_sex,
    parse_years,
    roster_id,
)

Diagnosis = Literal["CN", "MCI", "AD"]

# Dementia counts as AD by the study's convention; memory concern without impairment counts as CN.
_DX: dict[str, Diagnosis] = {"CN": "CN", "NL": "CN", "SMC": "CN", "MCI": "MCI", "EMCI": "MCI"}
_DX |= {"LMCI": "MCI", "DEMENTIA": "AD", "AD": "AD"}
_DIAGNOSIS: dict[int | None, Diagnosis] = {1: "CN", 2: "MCI", 3: "AD"}


@dataclass(frozen=True)
class Visit:
    """One dated visit of a participant."""

    date: date
    months: int | None  # since the participant's first baseline, from a visit code
    diagnosis: Diagnosis | None
    source: str  # the table


@dataclass(frozen=True)
class Participant:
    """What the study tables know of one participant; all of it may be missing."""

    visits: tuple[Visit, ...] = ()  # by date; where tables share a date, ADNIMERGE comes first
    baseline: date | None = None
    age_at_baseline: float | None = None  # years
    sex: str | None = None  # F, M
    sex_source: str | None = None


def describe_participants(tables: StudyTables) -> dict[int, Participant]:
    """Participants by number."""
    adnimerge = _by_participant(tables.adnimerge, "PTID")
    dxsum = _by_participant(tables.dxsum, "PTID")
    images = _by_participant(tables.images, "Subject")
    return {
        rid: _describe(adnimerge[rid], dxsum[rid], images[rid])
        for rid in sorted(adnimerge.keys() | dxsum.keys() | images.keys())
    }


def visit_months(code: str | None) -> int | None:
    """Months of a visit code: `bl` and `sc` are 0, `m12` is 12; others depend on the phase."""
    code = (code or "").lower()
    if code in {"bl", "sc", "scmri"}:
        return 0
    match = re.fullmatch(r"m(\d{1,3})", code)
    return int(match[1]) if match else None


def parse_diagnosis(text: str | None) -> Diagnosis | None:
    """CN, MCI or AD from a diagnosis in words; of a transition (`MCI to Dementia`) its end."""
    return _DX.get((text or "").upper().rpartition(" TO ")[2])


def _describe(adnimerge: list[Row], dxsum: list[Row], images: list[Row]) -> Participant:
    visits = [
        Visit(day, visit_months(row["VISCODE"]), parse_diagnosis(row["DX"]), "ADNIMERGE")
        for row in adnimerge
        if (day := parse_date(row["EXAMDATE"]))
    ]
    visits += [
        Visit(
            day, visit_months(row["VISCODE2"]), _DIAGNOSIS.get(parse_int(row["DIAGNOSIS"])), "DXSUM"
        )
        for row in dxsum
        if (day := parse_date(row["EXAMDATE"]))
    ]
    visits.sort(key=lambda visit: (visit.date, visit.source))
    sex, sex_source = _first_sex(adnimerge, "PTGENDER"), "ADNIMERGE"
    if sex is None:
        sex, sex_source = _first_sex(images, "Sex"), "image list"
    stated = [day for row in adnimerge if (day := parse_date(row["EXAMDATE_bl"]))]
    first = [visit.date for visit in visits if visit.months == 0]
    ages = [age for row in adnimerge if (age := parse_years(row["AGE"]))]
    return Participant(
        visits=tuple(visits),
        baseline=min(stated or first, default=None),
        # The age column is the age at the baseline exam on every row.
        age_at_baseline=ages[0] if ages and stated else None,
        sex=sex,
        sex_source=sex_source if sex else None,
    )


def _by_participant(rows: Iterable[Row], subject_column: str) -> defaultdict[int, list[Row]]:
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        rid = roster_id(row[subject_column], row.get("RID"))
        if rid is not None:
            grouped[rid].append(row)
    return grouped


def _first_sex(rows: list[Row], column: str) -> str | None:
    return next((sex for row in rows if (sex := parse_sex(row[column]))), None)
