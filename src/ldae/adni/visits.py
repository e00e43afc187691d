"""When a scan was: its session, and the participant's age and diagnosis on that day.

Everything is matched by date. The name of a visit may settle a session that dates leave open, but
never moves a scan by more than half a year: names restart with each phase of the study, and image
lists attach wrong ones. Days are counted from the scan: a record made later has a positive offset.
Sections are those of the notes on ADNI.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count, takewhile
from typing import Generic, TypeVar

from ldae.adni.clinical_visits import Diagnosis, Visit
from ldae.adni.participants import Participant
from ldae.adni.visit_labels import DAYS_PER_MONTH, visit_months
from ldae.config import Matching

# Of sessions, §5. They are constants and no settings, for the names of files depend on them.
SAME_VISIT_DAYS = 90  # an exam this near belongs to the same visit: Clinica's limit, §4
LABEL_DAYS = 183  # a visit's name is not believed where it differs from the date by more
SNAP_MONTHS = 3.0  # a scan nearer than this to a scheduled month belongs to it
CODE_MONTHS = 6.0  # an exam whose code differs more from its date has a wrong date, or code

# Of ages, §5: the limits of plausible participants, and the difference that deserves a look.
YOUNGEST, OLDEST = 45.0, 105.0  # years
AGES_DIFFER = 1.0  # years; ages in whole years are off by as much
DAYS_PER_YEAR = 365.25
AGE_SOURCES = (  # best first
    "metadata",  # years at the scan, to two decimals or more
    "ADNIMERGE",  # at the baseline exam, to one decimal
    "PTDEMOG",  # month of birth, or only the year
    "STUDY_ENTRY",  # at entry
    "search list",  # at the scan, to one decimal
    "collection list",  # at the scan, in whole years
    "image header",  # at the scan, in whole years
)

_SEVERITY: dict[Diagnosis, int] = {"CN": 0, "MCI": 1, "AD": 2}

T = TypeVar("T")


@dataclass(frozen=True)
class AtScan(Generic[T]):
    """A value on the day of the scan, where it is from, and how far from the scan it was recorded.

    The nearest record may be too distant to count, or contradicted by another: then `value` is
    missing while `source` and `offset_days` name the record.
    """

    value: T | None = None
    source: str | None = None
    offset_days: int | None = None  # from the scan to the record
    flags: tuple[str, ...] = ()  # what deserves a look


@dataclass(frozen=True)
class DiagnosisAtScan(AtScan[Diagnosis]):
    """A diagnosis with what the tables say literally."""

    raw: str | None = None  # the nearest record as its table words it: `MCI to Dementia`
    baseline: str | None = None  # CN, SMC, EMCI, LMCI, MCI, AD at enrolment


@dataclass(frozen=True)
class Months:
    """Whole months since the participant's first baseline, never negative: the session."""

    value: int
    source: str  # a table, `visit label`, `baseline date` or `first scan`
    flags: tuple[str, ...] = ()


def month_zero(scans: Iterable[tuple[date, str | None]], participant: Participant) -> date:
    """The day from which months count where no table knows the baseline.

    From dates and visit names of all scans of a participant: the earliest of the days that the
    names lead back to; if none tells its months, the first scan.
    """
    scans = list(scans)
    told = [
        day - timedelta(months * DAYS_PER_MONTH)
        for day, label in scans
        if (months := visit_months(label, entered=participant.entered)) is not None
    ]
    return min(told or [day for day, _ in scans])


def months_at(
    scan: date, participant: Participant, *, first_scan: date, visit: str | None
) -> Months:
    """The session of a scan (§5 "Session label", §2.3 "Rollover rule").

    In this order: the months that the name of the `visit` tells, if the date agrees within 3
    months; the code of the nearest exam within 90 days; the name again, if the date or an exam of
    that code agrees within 183 days; the time since baseline, moved to the nearest of 0, 3, 6, 12,
    18, 24, 36, ... months and of the codes of the participant's exams, if that is less than 3 away.
    Where no table knows the baseline, a name that tells months is believed, and else time counts
    from `first_scan` (see `month_zero`).
    """
    label = visit_months(visit, entered=participant.entered)
    baseline = participant.baseline
    if label is not None and (
        baseline is None or abs(_elapsed(scan, baseline) - label) < SNAP_MONTHS
    ):
        return Months(label, "visit label")
    exams = [exam for exam in participant.visits if _code_fits(exam, baseline)]
    exam = _nearest(scan, exams)
    if exam and exam.months is not None and abs((exam.date - scan).days) <= SAME_VISIT_DAYS:
        return Months(exam.months, exam.source)
    if label is not None and _within_reach(scan, label, participant):
        return Months(label, "visit label")
    own = [exam.months for exam in exams if exam.months is not None]
    if baseline is None:
        months = _scheduled(_elapsed(scan, first_scan), own)
        return Months(months, "first scan", ("baseline_unknown",))
    return Months(_scheduled(_elapsed(scan, baseline), own), "baseline date")


def age_at(scan: date, participant: Participant, *, stated: Mapping[str, float]) -> AtScan[float]:
    """Age in years, to two decimals, from the best source that gives a plausible one (§5).

    `stated` are ages on the day of the scan by source, one of `AGE_SOURCES`. Ages outside 45 to 105
    do not count. The flag `age_sources_differ` says that another source is more than a year off.
    """
    known = {source: AtScan(age, source, 0) for source, age in stated.items()}
    for source, age, day in (
        ("ADNIMERGE", participant.age_at_baseline, participant.baseline),
        ("PTDEMOG", 0.0, participant.born),
        ("STUDY_ENTRY", participant.age_at_entry, participant.entry or participant.baseline),
    ):
        if age is not None and day is not None:
            offset = (day - scan).days
            at_scan = age - offset / DAYS_PER_YEAR
            known[source] = AtScan(at_scan, source, 0 if source == "PTDEMOG" else offset)
    ages = [
        replace(known[source], value=round(age, 2))
        for source in sorted(known, key=AGE_SOURCES.index)
        if (age := known[source].value) is not None and YOUNGEST <= age <= OLDEST
    ]
    if not ages:
        return AtScan()
    values = [age.value for age in ages if age.value is not None]
    differ = any(round(abs(value - values[0]), 2) > AGES_DIFFER for value in values)
    return replace(ages[0], flags=("age_sources_differ",) if differ else ())


def diagnosis_at(scan: date, participant: Participant, rule: Matching) -> DiagnosisAtScan:
    """The diagnosis made nearest to the scan, of two as near the earlier (§5).

    Up to `rule.near_days` it counts without remark, up to `rule.distant_days` with the flag
    `diagnosis_distant`; beyond it does not count. If the exam nearest to the scan has none, or none
    is near enough, the diagnoses before and after decide, each at most `rule.bracket_days` away:
    where they agree it is taken, flagged `diagnosis_bracketed`; where they differ about an exam
    without diagnosis, that stays unknown. Nothing is carried forward, and nothing repaired: a
    diagnosis that does not fit the order CN, MCI, AD of the others has the flag
    `diagnosis_reverted`. `diagnosis_sources_differ`: another table says otherwise on that day.
    """
    stated = [exam for exam in participant.visits if exam.diagnosis is not None]
    nearest = _nearest(scan, stated)
    if nearest is None:
        return DiagnosisAtScan(baseline=participant.enrolled_as)
    offset = (nearest.date - scan).days
    found = DiagnosisAtScan(
        nearest.diagnosis,
        nearest.source,
        offset,
        raw=nearest.raw,
        baseline=participant.enrolled_as,
    )
    flags = _contradictions(nearest, nearest.date, stated)
    if abs(offset) <= rule.near_days:
        return replace(found, flags=flags)
    exam = _nearest(scan, [exam for exam in participant.visits if exam.diagnosable])
    unknown_then = exam is not None and abs((exam.date - scan).days) < abs(offset)
    if unknown_then or abs(offset) > rule.distant_days:
        around = _around(scan, stated, rule.bracket_days)
        if len(around) == 1:
            flags = ("diagnosis_bracketed", *_contradictions(nearest, scan, stated))
            return replace(found, value=around.pop(), source="bracketed", flags=flags)
        if around or abs(offset) > rule.distant_days:
            return replace(found, value=None)
    return replace(found, flags=("diagnosis_distant", *flags))


def _contradictions(exam: Visit, day: date, stated: Iterable[Visit]) -> tuple[str, ...]:
    """Flags for what other records say about the diagnosis of `exam`, held on `day`."""
    severity = {visit: _SEVERITY[visit.diagnosis] for visit in stated if visit.diagnosis}
    own = severity[exam]
    reverted = any(
        (visit.date < day and other > own) or (visit.date > day and other < own)
        for visit, other in severity.items()
    )
    differ = any(visit.date == day and other != own for visit, other in severity.items())
    found = {"diagnosis_reverted": reverted, "diagnosis_sources_differ": differ}
    return tuple(flag for flag, raised in found.items() if raised)


def _around(scan: date, stated: Iterable[Visit], bracket_days: int) -> set[Diagnosis]:
    """The last diagnosis before and the first after the scan; empty unless both are near enough."""
    near = [
        exam for exam in stated if exam.diagnosis and abs((exam.date - scan).days) <= bracket_days
    ]
    before = max((e for e in near if e.date < scan), key=lambda e: e.date, default=None)
    after = min((e for e in near if e.date > scan), key=lambda e: e.date, default=None)
    ends = (before, after) if before and after else ()
    return {end.diagnosis for end in ends if end.diagnosis}


def _within_reach(scan: date, label: int, participant: Participant) -> bool:
    """Whether the date allows the months of a label: by the baseline, or an exam of that code."""
    days = timedelta(label * DAYS_PER_MONTH)
    dates = [exam.date for exam in participant.visits if exam.months == label]
    if participant.baseline:
        dates.append(participant.baseline + days)
    return any(abs((day - scan).days) <= LABEL_DAYS for day in dates)


def _code_fits(exam: Visit, baseline: date | None) -> bool:
    """Whether the exam has a code in months that its date does not refute."""
    if exam.months is None or baseline is None:
        return exam.months is not None
    return abs(_elapsed(exam.date, baseline) - exam.months) <= CODE_MONTHS


def _elapsed(day: date, zero: date) -> float:
    """Months from `zero` to `day`."""
    return (day - zero).days / DAYS_PER_MONTH


def _scheduled(months: float, own: Iterable[int]) -> int:
    """The month next to `months` of the study's schedule or the participant's `own`, if near."""
    months = max(0.0, months)
    yearly = takewhile(lambda month: month < months + 12, count(36, 12))
    nearest = min([0, 3, 6, 12, 18, 24, *yearly, *own], key=lambda month: abs(month - months))
    return nearest if abs(nearest - months) < SNAP_MONTHS else round(months)


def _nearest(scan: date, visits: Iterable[Visit]) -> Visit | None:
    # Visits are in order of date, so that min() prefers the earlier of two at the same distance.
    return min(visits, key=lambda visit: abs((visit.date - scan).days), default=None)
