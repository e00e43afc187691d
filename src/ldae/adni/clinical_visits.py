"""The visits of a participant to the clinic: their dates, codes and diagnoses in the study tables.

Sections are those of the notes on ADNI.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from ldae.adni.csv_table import Row
from ldae.adni.visit_labels import Phase, parse_phase, visit_months
from ldae.parsing import parse_date, parse_int

Diagnosis = Literal["CN", "MCI", "AD"]

# §3.1: dementia counts as AD by convention, complaints about memory without impairment as CN.
_WORDS: dict[str, Diagnosis] = {"CN": "CN", "NL": "CN", "SMC": "CN"}
_WORDS |= {"MCI": "MCI", "EMCI": "MCI", "LMCI": "MCI", "DEMENTIA": "AD", "AD": "AD"}
# §3.2: the columns of DXSUM, the last two in old files; of a change (4 to 9) its end counts.
_STABLE: dict[int | None, Diagnosis] = {1: "CN", 2: "MCI", 3: "AD"}
_CODES: dict[str, dict[int | None, Diagnosis]] = {
    "DIAGNOSIS": _STABLE,
    "DXCHANGE": _STABLE | {4: "MCI", 5: "AD", 6: "AD", 7: "CN", 8: "MCI", 9: "CN"},
    "DXCURREN": _STABLE,
}


@dataclass(frozen=True)
class Visit:
    """One dated visit of a participant."""

    date: date
    months: int | None  # since the participant's first baseline, from a visit code
    diagnosis: Diagnosis | None
    source: str  # the table
    raw: str | None = None  # the diagnosis as the table words it: `MCI to Dementia`, `DIAGNOSIS=2`

    @property
    def diagnosable(self) -> bool:
        """Whether its table has diagnoses, so that a missing one means that none was made."""
        return self.source != "REGISTRY"


def list_visits(
    rows: Mapping[str, Iterable[Row]], *, entered: Phase | None
) -> list[tuple[str, Visit]]:
    """The dated visits with their codes, in the order of `Participant.visits`.

    A row without date has that of the visit of the same code in REGISTRY (§3.2), or in ADNIMERGE.
    """
    # The codes of ADNIMERGE are translated to months, as those in VISCODE2 of the other tables.
    merged = [
        row | {"VISCODE2": row["VISCODE"], "PHASE": row["COLPROT"]} for row in rows["ADNIMERGE"]
    ]
    dates = _dates(merged) | _dates(rows["REGISTRY"])
    found = set()
    for table, entries in (("ADNIMERGE", merged), *((t, rows[t]) for t in ("DXSUM", "REGISTRY"))):
        for row in entries:
            day = parse_date(row["EXAMDATE"]) or next(
                (dates[code] for code in _codes(row) if code in dates), None
            )
            if day is None:
                continue
            told = (visit_months(code, entered=entered) for _, code in _codes(row))
            months = next((months for months in told if months is not None), None)
            diagnosis, raw = _diagnosis(row)
            code = next((code for _, code in _codes(row)), "")
            found.add((code, Visit(day, months, diagnosis, table, raw)))
    return sorted(found, key=lambda visit: (visit[1].date, visit[1].source, str(visit)))


def parse_diagnosis(text: str | None) -> Diagnosis | None:
    """CN, MCI or AD from words; of a change its end: `MCI to Dementia`, `Reversion: MCI to NL`."""
    return _WORDS.get((text or "").upper().rpartition(":")[2].rpartition(" TO ")[2].strip())


def _codes(row: Row) -> list[tuple[Phase | None, str]]:
    """The visit's codes, the translated one first; the other one means something in its phase."""
    codes = ((None, row["VISCODE2"]), (parse_phase(row["PHASE"]), row["VISCODE"]))
    return [(phase, code.lower()) for phase, code in codes if code]


def _dates(rows: Iterable[Row]) -> dict[tuple[Phase | None, str], date]:
    """The date of each visit code, of several the first."""
    days = [(day, row) for row in rows if (day := parse_date(row["EXAMDATE"]))]
    days.sort(key=lambda dated: dated[0], reverse=True)
    return {code: day for day, row in days for code in _codes(row)}


def _diagnosis(row: Row) -> tuple[Diagnosis | None, str | None]:
    """The diagnosis of a row of ADNIMERGE or DXSUM, and how the row words it."""
    if text := row.get("DX"):
        return parse_diagnosis(text), text
    for column, meanings in _CODES.items():
        if text := row.get(column):
            number = parse_int(text)
            if diagnosis := meanings.get(number) or parse_diagnosis(text):
                return diagnosis, f"{column}={number}" if number else text
    return None, None
