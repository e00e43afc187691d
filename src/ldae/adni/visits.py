"""When a scan was: its session, and the participant's age and diagnosis on that day.

Everything is matched by date: visit codes restart with each phase of the study, so a participant
who rolled over from an earlier phase has a "year 1" many years after the first baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import count, takewhile
from typing import Generic, TypeVar

from ldae.adni.participants import Diagnosis, Participant, Visit

SAME_VISIT_DAYS = 90  # an exam this near belongs to the same visit
DISTANT_DAYS = 183  # a diagnosis further away than this says nothing about the scan
DAYS_PER_MONTH = 30.4375
DAYS_PER_YEAR = 365.25
SNAP_MONTHS = 3.0

T = TypeVar("T")


@dataclass(frozen=True)
class AtScan(Generic[T]):
    """A value on the day of the scan, its table, and how many days after the scan it was recorded.

    The nearest record may be too distant to count: then `value` is missing and the offset says why.
    """

    value: T | None = None
    source: str | None = None
    offset_days: int | None = None


def months_at(scan: date, participant: Participant, *, first_scan: date) -> int:
    """Months since the participant's first baseline.

    The code of the nearest visit within 90 days; else the time since baseline (`first_scan` where
    no table knows it), moved to 0, 3, 6, 12, 18, 24, 36, ... if that is less than 3 months away.
    """
    coded = _nearest(scan, participant, lambda visit: visit.months is not None)
    if coded and coded.months is not None and abs((coded.date - scan).days) <= SAME_VISIT_DAYS:
        return coded.months
    months = max(0.0, (scan - (participant.baseline or first_scan)).days / DAYS_PER_MONTH)
    yearly = takewhile(lambda month: month < months + 12, count(36, 12))
    nearest = min([0, 3, 6, 12, 18, 24, *yearly], key=lambda month: abs(month - months))
    return nearest if abs(nearest - months) < SNAP_MONTHS else round(months)


def age_at(
    scan: date, participant: Participant, *, listed: float | None, stored: float | None
) -> AtScan[float]:
    """Age in years: from the age at baseline, else `listed` with the image, else `stored` in it."""
    if participant.age_at_baseline is not None and participant.baseline is not None:
        offset = (participant.baseline - scan).days
        age = participant.age_at_baseline - offset / DAYS_PER_YEAR
        return AtScan(round(age, 2), "ADNIMERGE", offset)
    if listed is not None:
        return AtScan(listed, "image list", 0)
    return AtScan(stored, "image header", 0) if stored is not None else AtScan()


def diagnosis_at(scan: date, participant: Participant) -> AtScan[Diagnosis]:
    """The diagnosis made nearest to the scan, of two as near the earlier; none beyond 183 days."""
    visit = _nearest(scan, participant, lambda visit: visit.diagnosis is not None)
    if visit is None:
        return AtScan()
    offset = (visit.date - scan).days
    near = abs(offset) <= DISTANT_DAYS
    return AtScan(visit.diagnosis if near else None, visit.source, offset)


def _nearest(
    scan: date, participant: Participant, qualifies: Callable[[Visit], bool]
) -> Visit | None:
    # Visits are in order of date, so that min() prefers the earlier of two at the same distance.
    return min(
        filter(qualifies, participant.visits),
        key=lambda visit: abs((visit.date - scan).days),
        default=None,
    )
