"""Who the participants are: what the study tables know of each, in one record.

Tables are joined by the participant's number (RID), which every table has. Where rows disagree
about what cannot change (sex, birth, baseline), most of them win, of equally many the smaller
value, so that the order of rows never matters. Sections are those of the notes on ADNI.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from ldae.adni.clinical_visits import Visit, list_visits
from ldae.adni.csv_table import Row
from ldae.adni.tables import StudyTables
from ldae.adni.visit_labels import DAYS_PER_MONTH, PHASES, Phase, parse_phase, visit_months
from ldae.parsing import parse_date, parse_int, parse_sex, parse_years, roster_id

# The tables read here, each with its column of the subject id.
_SUBJECTS = dict.fromkeys(("ADNIMERGE", "DXSUM", "REGISTRY", "PTDEMOG", "STUDY_ENTRY"), "PTID")
_SUBJECTS["IMAGE_LIST"] = "subject"
_BASELINE_CODES = {"bl", "m0", "m00", "v03", "4_bl"}  # of newly enrolled participants

_GROUPS = {"NL": "CN", "DEMENTIA": "AD"}  # old spellings of the groups of enrolment, §3.1
_GROUPS |= {group: group for group in ("CN", "SMC", "EMCI", "LMCI", "MCI", "AD")}

T = TypeVar("T")


@dataclass(frozen=True)
class Participant:
    """What the study tables know of one participant; all of it may be missing."""

    visits: tuple[Visit, ...] = ()  # by date; of one date by table, so that ADNIMERGE comes first
    baseline: date | None = None  # the first, whatever phases followed
    entered: Phase | None = None  # the phase of that baseline
    age_at_baseline: float | None = None  # years
    born: date | None = None  # middle of the month of birth, or of the year
    age_at_entry: float | None = None  # years, on the day of `entry`
    entry: date | None = None
    sex: str | None = None  # F, M
    sex_source: str | None = None
    enrolled_as: str | None = None  # CN, SMC, EMCI, LMCI, MCI, AD; says nothing about a later scan


def describe_participants(tables: StudyTables) -> dict[int, Participant]:
    """Participants by number."""
    known: defaultdict[int, dict[str, list[Row]]] = defaultdict(
        lambda: {table: [] for table in _SUBJECTS}
    )
    for table, subject in _SUBJECTS.items():
        for row in tables[table]:
            rid = roster_id(row[subject], row.get("RID"))
            if rid is not None:
                known[rid][table].append(row)
    return {rid: _describe(known[rid]) for rid in sorted(known)}


def parse_birth(row: Row) -> tuple[int | None, int | None]:
    """Year and month of birth from a row of PTDEMOG (§3.2); each may be missing.

    PTDOB is `MM/YYYY`; PTDOBMM and PTDOBYY are numbers, the year sometimes a date of which only
    the year is meant.
    """
    whole = re.fullmatch(r"(\d{1,2})/(?:\d{1,2}/)?\d{4}", row["PTDOB"] or "")
    month = parse_int(row["PTDOBMM"]) or (int(whole[1]) if whole else None)
    year = re.search(r"(?<!\d)19\d\d(?!\d)", f"{row['PTDOBYY']} {row['PTDOB']}")
    return int(year[0]) if year else None, month if month in range(1, 13) else None


def parse_group(text: str | None) -> str | None:
    """The group of enrolment (DX_bl, §3.1) in its present spelling."""
    return _GROUPS.get((text or "").upper())


def _describe(rows: Mapping[str, list[Row]]) -> Participant:
    merged, entries = rows["ADNIMERGE"], rows["STUDY_ENTRY"]
    entered = _entered(rows)
    visits = list_visits(rows, entered=entered)
    entry = _vote(entries, "entry_date", parse_date)
    sexes = [
        ("ADNIMERGE", _vote(merged, "PTGENDER", parse_sex)),
        ("PTDEMOG", _vote(rows["PTDEMOG"], "PTGENDER", parse_sex)),
        ("image list", _vote(rows["IMAGE_LIST"], "sex", parse_sex)),
    ]
    sex_source, sex = next(((source, sex) for source, sex in sexes if sex), (None, None))
    return Participant(
        visits=tuple(visit for _, visit in visits),
        baseline=_vote(merged, "EXAMDATE_bl", parse_date) or _baseline(visits, entry),
        entered=entered,
        age_at_baseline=_vote(merged, "AGE", parse_years),
        born=_born(rows["PTDEMOG"]),
        age_at_entry=_vote(entries, "entry_age", parse_years),
        entry=entry,
        sex=sex,
        sex_source=sex_source,
        enrolled_as=_vote(merged, "DX_bl", parse_group)
        or _vote(entries, "entry_research_group", parse_group)
        or _vote(rows["IMAGE_LIST"], "group", parse_group)
        or next(
            (exam.diagnosis for _, exam in visits if exam.months == 0 and exam.diagnosis), None
        ),
    )


def _entered(rows: Mapping[str, list[Row]]) -> Phase | None:
    """The phase of enrolment: as ADNIMERGE states it, else the first with screening or baseline.

    Those who continue from an earlier phase have neither visit in the later one (§2.3).
    """
    phases = {
        parse_phase(row["PHASE"])
        for table in ("DXSUM", "REGISTRY", "PTDEMOG")
        for row in rows[table]
        if 0 in {visit_months(row["VISCODE2"]), visit_months(row.get("VISCODE"))}
    }
    first = next((phase for phase in PHASES if phase in phases), None)
    return _vote(rows["ADNIMERGE"], "ORIGPROT", parse_phase) or first


def _baseline(visits: list[tuple[str, Visit]], entry: date | None) -> date | None:
    """The first baseline where ADNIMERGE does not state it, from the best witness.

    That is the visit of that name, else screening, else the entry into the study, else the day to
    which the code of the first coded visit leads back.
    """
    named = Counter(exam.date for code, exam in visits if code in _BASELINE_CODES)
    coded = [(exam.months, exam.date) for _, exam in visits if exam.months is not None]
    screened = [day for months, day in coded if months == 0]
    if named or screened or entry:
        return _most(named) or min(screened, default=entry)
    return coded[0][1] - timedelta(coded[0][0] * DAYS_PER_MONTH) if coded else None


def _born(rows: Iterable[Row]) -> date | None:
    """The middle of the month of birth, else of the year; off by half of either at most (§5)."""
    births = [parse_birth(row) for row in rows]
    year = _most(Counter(year for year, _ in births if year))
    if year is None:
        return None
    month = _most(Counter(month for own_year, month in births if own_year == year and month))
    return date(year, month, 15) if month else date(year, 7, 2)


def _vote(rows: Iterable[Row], column: str, parse: Callable[[str | None], T | None]) -> T | None:
    """What most rows say in a column."""
    return _most(Counter(value for row in rows if (value := parse(row[column])) is not None))


def _most(votes: Counter[T]) -> T | None:
    return min(votes, key=lambda value: (-votes[value], str(value)), default=None)
