"""What the name of a visit says about its time: the vocabularies of the study's phases.

The study names visits in three ways: labels of image lists and metadata (`ADNI2 Year 1 Visit`),
codes of tables (`v11`), and codes already translated to months (`m12`, the column VISCODE2). Each
phase counts anew: `Year 1`, `y1` and `v11` are a year after the participant entered *that phase*,
which for one who rolled over from an earlier phase is many years after the first baseline.
"""

import re
from typing import Literal, NamedTuple

Phase = Literal["ADNI1", "ADNIGO", "ADNI2", "ADNI3", "ADNI4"]

DAYS_PER_MONTH = 30.4375  # a twelfth of 365.25
PHASES: tuple[Phase, ...] = ("ADNI1", "ADNIGO", "ADNI2", "ADNI3", "ADNI4")  # in order of time


class _Meaning(NamedTuple):
    """`months` since entering `phase`, or, where `phase` is None, since the first baseline."""

    months: int
    phase: Phase | None = None


# Codes that only newly enrolled participants have: screening, baseline, months 3 and 6 of ADNI2.
_CODES = {
    **dict.fromkeys(("sc", "bl", "scmri", "4 sc", "4 bl"), _Meaning(0)),
    **{"v01": _Meaning(0), "v02": _Meaning(0), "v03": _Meaning(0)},
    **{"v04": _Meaning(3), "v05": _Meaning(6)},
    # Codes that restart with the phase. `reg` is the registration that opens ADNI3 for everyone.
    **{"v06": _Meaning(0, "ADNI2"), "init": _Meaning(0, "ADNI3"), "reg": _Meaning(0, "ADNI3")},
    "4 init": _Meaning(0, "ADNI4"),
    **{f"v{year}1": _Meaning(12 * year, "ADNI2") for year in range(1, 6)},  # v12, v22, ... phone
    **{f"y{year}": _Meaning(12 * year, "ADNI3") for year in range(1, 7)},
}


def visit_months(label: str | None, *, entered: Phase | None = None) -> int | None:
    """Months since the participant's first baseline, if the visit's name alone tells them.

    Args:
        label: a label or code of any phase, in any spelling.
        entered: the phase in which the participant is known to have entered the study. Names that
            count from the entry into a phase (`Year 1`, `y1`, `init`, `Cont Pt`) tell months only
            if this is that phase; otherwise the date must decide.

    Returns:
        None also for visits outside the schedule (`Unscheduled`, `nv`, `tau`, screen failures `f`)
        and for the bare numbers of old image lists, which no table explains (notes on ADNI, §2.3).
    """
    meaning = _meaning(re.sub(r"[^0-9a-z]+", " ", (label or "").lower()).strip())
    if meaning is None or (meaning.phase is not None and meaning.phase != entered):
        return None
    return meaning.months


def parse_phase(text: str | None) -> Phase | None:
    """The phase from its name: `ADNI1`, `ADNI 1`, `ADNIGO`, `ADNI GO`; None if it names none."""
    match = re.search(r"adni\s*(1|go|2|3|4)\b", (text or "").lower())
    return next((phase for phase in PHASES if match and phase == f"ADNI{match[1].upper()}"), None)


def _meaning(name: str) -> _Meaning | None:
    """The meaning of a name in lower case with single spaces for everything between words."""
    if name in _CODES:
        return _CODES[name]
    if code := re.fullmatch(r"(4 )?m(\d{1,3})", name):
        return _Meaning(int(code[2]), "ADNI4" if code[1] else None)
    if re.search(r"\b(?:screening|baseline)\b", name):
        return None if "fail" in name else _Meaning(0)  # those who continue have neither visit
    phase = parse_phase(name)
    if month := re.search(r"\bmonth (\d{1,3})\b", name):
        # Months of ADNI1 and GO count from the first baseline, also for those who continued in GO;
        # so do those of new participants. ADNI4 restarts, and is the phase that a bare month is of.
        counts_anew = phase in {None, "ADNI3", "ADNI4"} and "new pt" not in name
        return _Meaning(int(month[1]), (phase or "ADNI4") if counts_anew else None)
    if phase and (year := re.search(r"\binitial visit\b|\byear (\d)(?: visit)?$", name)):
        return _Meaning(12 * int(year[1] or 0), phase)
    return None
