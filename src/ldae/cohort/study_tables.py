"""What the study's tables say of one participant: columns and codes as ADNI has them."""

from collections.abc import Sequence
from datetime import date, timedelta

from ldae.cohort.clinic import DAYS_PER_YEAR, DIAGNOSES, Subject, Visit
from ldae.cohort.exam import Series
from ldae.cohort.scanner import scanner_of
from ldae.cohort.visit_names import name_visit

Row = dict[str, object]

ENROLMENT = {"CN": "CN", "MCI": "LMCI", "AD": "AD"}  # DX_bl
DEMENTIA = {"CN": "CN", "MCI": "MCI", "AD": "Dementia"}  # DX
SEX = {"F": "Female", "M": "Male"}
_UNKNOWN = "-4"  # passively missing, in the case report forms


def adnimerge(subject: Subject, images: Sequence[Series]) -> list[Row]:
    """One row per visit, of participants enrolled before ADNI4."""
    if subject.visits[0].phase == "ADNI4":
        return []
    return [_merged(subject, visit, images) for visit in subject.visits]


def dxsum(subject: Subject) -> list[Row]:
    """The diagnosis at each visit: 1 is CN, 2 MCI, 3 dementia; two columns of older coding."""
    return [
        _visit_keys(subject, visit)
        | {
            "EXAMDATE": visit.exam_date.isoformat(),
            "DIAGNOSIS": DIAGNOSES.index(visit.diagnosis) + 1,
            "DXCURREN": _UNKNOWN,
            "DXCHANGE": _UNKNOWN,
        }
        for visit in subject.visits
    ]


def outdated(rows: Sequence[Row]) -> list[Row]:
    """DXSUM of an earlier date, with diagnoses that were put right since: all of them."""
    code = {1: 2, 2: 3, 3: 1}
    return [row | {"DIAGNOSIS": code[int(str(row["DIAGNOSIS"]))]} for row in rows]


def registry(subject: Subject) -> list[Row]:
    """The days a participant came."""
    return [
        _visit_keys(subject, visit) | {"EXAMDATE": visit.exam_date.isoformat()}
        for visit in subject.visits
    ]


def ptdemog(subject: Subject) -> list[Row]:
    """Demographics as told at screening: month and year of birth."""
    born = _birth(subject)
    return [
        {
            "PHASE": subject.visits[0].phase,
            "PTID": subject.ptid,
            "RID": f"{subject.rid:04d}",
            "VISCODE": "sc",
            "VISCODE2": "sc",
            "PTGENDER": {"M": 1, "F": 2}[subject.sex],
            "PTDOB": f"{born:%m/%Y}",
            "PTDOBYY": born.year,
            "PTEDUCAT": subject.education,
            "PTCOGBEG": "9999",
            "PTADDX": _UNKNOWN,
        }
    ]


def study_entry(subject: Subject) -> list[Row]:
    """Age, group and day of enrolment."""
    entered = subject.visits[0]
    return [
        {
            "subject_id": subject.ptid,
            "entry_age": subject.baseline_age,
            "entry_research_group": ENROLMENT[subject.enrolled_as],
            "entry_visit": "sc",
            "entry_date": entered.exam_date.isoformat(),
        }
    ]


def _merged(subject: Subject, visit: Visit, images: Sequence[Series]) -> Row:
    baseline = subject.visits[0]
    days = (visit.exam_date - baseline.exam_date).days
    scans = [item.image_id for item in images if item.visit == visit and item.is_t1w]
    return {
        "RID": subject.rid,
        "PTID": subject.ptid,
        "SITE": subject.site,
        "VISCODE": name_visit(subject, visit).months,
        "COLPROT": visit.phase,
        "ORIGPROT": baseline.phase,
        "EXAMDATE": visit.exam_date.isoformat(),
        "EXAMDATE_bl": baseline.exam_date.isoformat(),
        "DX_bl": ENROLMENT[subject.enrolled_as],
        "DX": DEMENTIA[visit.diagnosis],
        "AGE": subject.baseline_age,
        "PTGENDER": SEX[subject.sex],
        "PTEDUCAT": subject.education,
        "APOE4": subject.apoe4,
        "MMSE": visit.mmse,
        "MMSE_bl": baseline.mmse,
        "FLDSTRENG": f"{scanner_of(subject.site).tesla:g} Tesla MRI",
        "IMAGEUID": scans[0] if scans else None,
        "Years_bl": round(days / DAYS_PER_YEAR, 6),
        "Month_bl": round(days / 30.5, 5),
        "Month": visit.months,
        "M": visit.months,
    }


def _visit_keys(subject: Subject, visit: Visit) -> Row:
    name = name_visit(subject, visit)
    return {
        "PHASE": visit.phase,
        "PTID": subject.ptid,
        "RID": subject.rid,
        "VISCODE": name.code,
        "VISCODE2": name.months,
    }


def _birth(subject: Subject) -> date:
    return subject.visits[0].exam_date - timedelta(days=subject.baseline_age * DAYS_PER_YEAR)
