"""What tables, lists and metadata say of a participant, where it is not plain."""

from datetime import date, datetime, timedelta

from ldae.cohort.clinic import DAYS_PER_YEAR
from ldae.cohort.exam import Series
from ldae.cohort.image_tables import resaved
from ldae.cohort.study_tables import Row
from ldae.cohort.traps import faults
from ldae.cohort.traps.edits import (
    cells,
    each_row,
    every_row,
    exam_dates_as,
    exam_later,
    header_repeated,
    listed_in,
    only,
    unlisted,
    without,
    without_row,
)
from ldae.cohort.traps.trap import INTERA, NONE, SIGNA, TRIO, Shot, Trap, used

_CLINICAL = ("ADNIMERGE", "DXSUM", "DXSUM_2025", "REGISTRY")


def _whole_years(series: Series) -> float:
    return int(series.visit.age)


def _rounded(series: Series) -> float:
    return round(series.visit.age)


def _three_years_older(series: Series) -> float:
    return series.visit.age + 3


def _older(row: Row) -> Row:
    return {"subjectAge": float(str(row["subjectAge"])) + 3}


def _later(row: Row) -> Row:
    acquired = datetime.fromisoformat(str(row["dateAcquired"]))
    return {"dateAcquired": f"{acquired + timedelta(days=5)}.0"}


def _from_month_of_birth(series: Series) -> float:
    """Born in the middle of the month, as far as PTDEMOG tells."""
    baseline = series.subject.visits[0].exam_date
    born = baseline - timedelta(days=series.subject.baseline_age * DAYS_PER_YEAR)
    return (series.visit.scan_date - date(born.year, born.month, 15)).days / DAYS_PER_YEAR


RECORDS = (
    # --- sessions
    Trap(
        "screening 41 days before baseline",
        (Shot("MPRAGE", used(months=0)),),
        records=(without("METADATA"),),  # age: the baseline's less 41 days
    ),
    Trap(
        "ADNI1 participant who continued in ADNI3",
        (Shot("Accelerated Sagittal MPRAGE", used(months=126), visit=1),),
        site=TRIO,
        phases=("ADNI1", "ADNI3"),
        months=(0, 126),
    ),
    Trap(
        "the same, and no exam near the scan",
        (Shot("Accelerated Sagittal MPRAGE", used(months=128, diagnosis=NONE), visit=1),),
        site=TRIO,
        phases=("ADNI1", "ADNI3"),
        months=(0, 128),
        records=(without_row(1, *_CLINICAL),),
    ),
    Trap(
        "a typing error in the date of an exam",
        (Shot("MPRAGE", used(months=12, diagnosis=NONE), visit=1),),
        months=(0, 12),
        records=tuple(cells(table, 1, EXAMDATE="2026-03-26") for table in _CLINICAL),
    ),
    # --- diagnoses
    Trap(
        "no diagnosis on the day, equal ones before and after",
        (Shot("MPRAGE", used(flags=("diagnosis_bracketed",)), visit=1),),
        months=(0, 12, 24),
        records=(cells("ADNIMERGE", 1, DX=None), cells("DXSUM", 1, DIAGNOSIS=None)),
    ),
    Trap(
        "no diagnosis on the day, different ones before and after",
        (Shot("IR-FSPGR", used(diagnosis=NONE), visit=1),),
        site=SIGNA,
        months=(0, 12, 24),
        records=(
            cells("ADNIMERGE", 1, DX=None),
            cells("DXSUM", 1, DIAGNOSIS=None),
            cells("ADNIMERGE", 2, DX="MCI"),
            cells("DXSUM", 2, DIAGNOSIS=2),
        ),
    ),
    Trap(
        "from dementia back to mild impairment",
        (Shot("MPRAGE", used(flags=("diagnosis_reverted",)), visit=1),),
        months=(0, 12),
        diagnosis="MCI",
        records=(cells("ADNIMERGE", 0, DX="Dementia"), cells("DXSUM", 0, DIAGNOSIS=3)),
    ),
    Trap(
        "the exam was 120 days after the scan",
        (Shot("MP-RAGE", used(months=12, flags=("diagnosis_distant",)), visit=1),),
        site=INTERA,
        months=(0, 12),
        diagnosis="AD",
        records=(exam_later(1, days=120),),
    ),
    Trap(
        "the exam was 240 days after the scan",
        (Shot("MPRAGE", used(months=12, diagnosis=NONE), visit=1),),
        months=(0, 12),
        records=(
            exam_later(1, days=240),
            cells("ADNIMERGE", 0, DX=None),
            cells("DXSUM", 0, DIAGNOSIS=None),
        ),
    ),
    Trap(
        "diagnoses as transitions, dates in four spellings",
        (Shot("MPRAGE", used(), visit=2),),
        months=(0, 6, 12, 24),
        diagnosis="MCI",
        records=(
            without("DXSUM"),
            exam_dates_as("ADNIMERGE", ["%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d-%b-%y"]),
            every_row("ADNIMERGE", DX="NL to MCI"),
            header_repeated("ADNIMERGE"),
        ),
    ),
    Trap(
        "two versions of DXSUM, numbers for names",
        (Shot("MPRAGE", used()),),
        diagnosis="AD",
        records=(
            only("DXSUM", "DXSUM_2025", "METADATA"),
            each_row("DXSUM", lambda row: {"PTID": None, "RID": f"{row['RID']}.0"}),
        ),
    ),
    Trap(
        "the coding of ADNI2: impairment became dementia",
        (Shot("MPRAGE", used()),),
        site=TRIO,
        phases=("ADNI2",),
        diagnosis="AD",
        records=(without("ADNIMERGE"), every_row("DXSUM", DIAGNOSIS=-4, DXCHANGE=5)),
    ),
    Trap(
        "DXSUM without dates, REGISTRY has them",
        (Shot("MPRAGE", used()),),
        diagnosis="MCI",
        records=(without("ADNIMERGE"), every_row("DXSUM", EXAMDATE=None)),
    ),
    # --- ages and dates
    Trap(
        "ages that differ by three years",
        (Shot("MPRAGE", used(age=_three_years_older, flags=("age_sources_differ",))),),
        records=(each_row("METADATA", _older),),
    ),
    Trap(
        "dates that differ by five days",
        (Shot("MPRAGE", used(flags=("date_sources_differ",))),),
        diagnosis="AD",
        records=(each_row("METADATA", _later),),
    ),
    Trap(
        "headers without dates",
        (Shot("IR-FSPGR", used(), fault=faults.without_dates),),
        site=SIGNA,
        records=(unlisted,),
    ),
    Trap(
        "age from the month of birth; codes for missing",
        (Shot("MPRAGE", used(diagnosis=NONE, age=_from_month_of_birth)),),
        records=(
            only("PTDEMOG", "DXSUM", "REGISTRY"),
            every_row("DXSUM", DIAGNOSIS=-4, EXAMDATE="1/01/1900"),
        ),
    ),
    Trap(
        "age from the entry into the study; ADNI4",
        (Shot("Accelerated Sagittal MPRAGE", used()),),
        site=127,
        phases=("ADNI4",),
        diagnosis="MCI",
        records=(only("STUDY_ENTRY", "DXSUM"),),
    ),
    Trap(
        "age from a list that a spreadsheet saved",
        (
            Shot(
                "MPRAGE",
                used(months=0, diagnosis=NONE, age=_rounded),
                fault=faults.without_age,
            ),
        ),
        records=(only(), listed_in("RESAVED", resaved)),
    ),
    # --- who is in the tables
    Trap(
        "images of a participant in no table",
        (
            Shot(
                "MPRAGE",
                used(months=0, diagnosis=NONE, age=_whole_years, flags=("baseline_unknown",)),
            ),
        ),
        records=(only(),),
    ),
    Trap(
        "a screening failure without images",
        (),
        records=(
            without("ADNIMERGE"),
            every_row("DXSUM", VISCODE="f", VISCODE2="f", DIAGNOSIS=-1),
        ),
    ),
)
