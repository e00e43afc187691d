"""The tables that come with a download, and the truth that does not: columns as ADNI names them."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ldae.cohort.archive import Series
from ldae.cohort.clinic import DAYS_PER_YEAR, DIAGNOSES, Subject, Visit
from ldae.cohort.scanner import scanner_of

COLLECTION = "Synthetic_1_15_2026.csv"  # the archive's names: month, day and year of the download
ADNIMERGE = "ADNIMERGE_15Jan2026.csv"
DXSUM = "DXSUM_15Jan2026.csv"
PHASE = "ADNI1"
ENROLMENT = {"CN": "CN", "MCI": "LMCI", "AD": "AD"}  # DX_bl
DEMENTIA = {"CN": "CN", "MCI": "MCI", "AD": "Dementia"}  # DX


def collection_table(series: Iterable[Series]) -> pd.DataFrame:
    """The archive's list of the images downloaded, one row each."""
    return pd.DataFrame(
        [
            {
                "Image Data ID": f"I{item.image_id}",
                "Subject": item.subject.ptid,
                "Group": item.subject.enrolled_as,
                "Sex": item.subject.sex,
                "Age": round(item.visit.age),
                "Visit": "sc" if item.visit.index == 0 else _visit_code(item.visit),
                "Modality": "MRI",
                "Description": item.description,
                "Type": "Original",
                "Acq Date": f"{item.start.month}/{item.start:%d/%Y}",
                "Format": "DCM",
                "Downloaded": "1/15/2026",
            }
            for item in series
        ]
    )


def adnimerge_table(
    subjects: Iterable[Subject], first_t1w: dict[tuple[int, int], Series]
) -> pd.DataFrame:
    """One row per subject and visit; `first_t1w` is keyed by RID and index of the visit."""
    return pd.DataFrame(
        [
            _adnimerge_row(subject, visit, first_t1w[subject.rid, visit.index])
            for subject in subjects
            for visit in subject.visits
        ]
    )


def dxsum_table(subjects: Iterable[Subject]) -> pd.DataFrame:
    """The diagnosis at each visit: 1 is CN, 2 MCI, 3 dementia."""
    return pd.DataFrame(
        [
            {
                "PHASE": PHASE,
                "PTID": subject.ptid,
                "RID": subject.rid,
                "VISCODE": _visit_code(visit),
                "VISCODE2": _visit_code(visit),
                "EXAMDATE": visit.exam_date.isoformat(),
                "DIAGNOSIS": DIAGNOSES.index(visit.diagnosis) + 1,
            }
            for subject in subjects
            for visit in subject.visits
        ]
    )


def truth_table(scans: Sequence[tuple[Series, float]], damaged: Series) -> pd.DataFrame:
    """What was simulated: one row per T1-weighted series, given with its brain volume (ml)."""
    return pd.DataFrame(
        [
            {
                "image_id": series.image_id,
                "PTID": series.subject.ptid,
                "months": series.visit.months,
                "age": round(series.visit.age, 4),
                "sex": series.subject.sex,
                "diagnosis": series.visit.diagnosis,
                "severity": series.visit.severity,
                "ventricle_push_mm": series.visit.ventricle_push,
                "cortical_loss": series.visit.cortical_loss,
                "hippocampal_loss": series.visit.hippocampal_loss,
                "white_signal": series.visit.white_signal,
                "brain_ml": round(brain_ml, 1),
                "description": series.description,
                "damaged": series is damaged,
            }
            for series, brain_ml in scans
        ]
    )


def _adnimerge_row(subject: Subject, visit: Visit, t1w: Series) -> dict[str, Any]:
    baseline = subject.visits[0]
    days = (visit.exam_date - baseline.exam_date).days
    return {
        "RID": subject.rid,
        "PTID": subject.ptid,
        "SITE": subject.site,
        "VISCODE": _visit_code(visit),
        "COLPROT": PHASE,
        "ORIGPROT": PHASE,
        "EXAMDATE": visit.exam_date.isoformat(),
        "EXAMDATE_bl": baseline.exam_date.isoformat(),
        "DX_bl": ENROLMENT[subject.enrolled_as],
        "DX": DEMENTIA[visit.diagnosis],
        "AGE": subject.baseline_age,
        "PTGENDER": {"F": "Female", "M": "Male"}[subject.sex],
        "PTEDUCAT": subject.education,
        "APOE4": subject.apoe4,
        "MMSE": visit.mmse,
        "MMSE_bl": baseline.mmse,
        "FLDSTRENG": f"{scanner_of(subject.site).tesla:g} Tesla MRI",
        "IMAGEUID": t1w.image_id,
        "Years_bl": round(days / DAYS_PER_YEAR, 6),
        "Month_bl": round(days / 30.5, 5),
        "Month": visit.months,
        "M": visit.months,
    }


def _visit_code(visit: Visit) -> str:
    return "bl" if visit.index == 0 else f"m{visit.months:02d}"
