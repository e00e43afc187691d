"""Dates, numbers, ages and ids as spreadsheets, archives and image headers spell them."""

import re
from datetime import date, datetime
from functools import lru_cache

# "Missing" and "confirmed missing" of the case report forms, also as spreadsheets rewrite them;
# in lower case.
MISSING = {"", "-4", "-4.0", "-1", "-1.0", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"}

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DATE = re.compile(
    r"""(?: (?P<year>\d{4})(?P<dash>[-/])(?P<month>\d{1,2})(?P=dash)(?P<day>\d{1,2})
          | (?P<us_month>\d{1,2})(?P<us_dash>[-/])(?P<us_day>\d{1,2})(?P=us_dash)
            (?P<us_year>\d{4}|\d{2})
          | (?P<named_day>\d{1,2})[- ]?(?P<named>[A-Za-z]{3})[- ]?(?P<named_year>\d{4}|\d{2})
          | (?P<packed>\d{8}) )
        (?: [ T_]+ (?: (?P<hour>\d{1,2})[:_](?P<minute>\d\d)(?:[:_](?P<second>\d\d))?
                       (?:\.\d*)? (?:\ ?(?P<half>[AP]M))? )? .* )?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PTID = re.compile(r"(?<!\d)(\d{3})(_?)S\2(\d{4,5})(?!\d)", re.IGNORECASE | re.ASCII)
_SEXES = {"m": "M", "male": "M", "1": "M", "1.0": "M"}
_SEXES |= {"f": "F", "female": "F", "2": "F", "2.0": "F"}
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_MANUFACTURERS = {"siemens": "Siemens", "philips": "Philips", "ge": "GE", "general": "GE"}


def known(text: str | None) -> str | None:
    """Text with single blanks and without quotes around it; None if it says that it is missing."""
    tidy = " ".join((text or "").replace("\ufeff", "").replace("\0", "").split())
    tidy = tidy.strip('"').strip()
    return None if tidy.lower() in MISSING else tidy


def parse_date(text: str | None) -> date | None:
    """A date in one of the archive's spellings, month first where ambiguous; None if it is none."""
    moment = parse_datetime(text)
    return moment.date() if moment else None


@lru_cache(maxsize=1 << 16)
def parse_datetime(text: str | None) -> datetime | None:
    """A local time, midnight where there is only a date, in one of the archive's spellings.

    Of two digits, years up to 68 are of this century. 0000-00-00 and 1/01/1900 mean unknown.
    """
    match = _DATE.fullmatch((text or "").strip())
    if match is None:
        return None
    part = match.groupdict()
    if packed := part["packed"]:
        year, month, day = packed[:4], packed[4:6], packed[6:]
    elif part["named"]:
        if part["named"].lower() not in _MONTHS:
            return None
        year, month, day = (
            part["named_year"],
            1 + _MONTHS.index(part["named"].lower()),
            part["named_day"],
        )
    else:
        year = part["year"] or part["us_year"]
        month = part["month"] or part["us_month"]
        day = part["day"] or part["us_day"]
    hour, minute, second = (int(part[unit] or 0) for unit in ("hour", "minute", "second"))
    if part["half"]:
        hour = hour % 12 + 12 * (part["half"].upper() == "PM")
    century = (2000 if int(year) <= 68 else 1900) if len(year) == 2 else 0
    try:
        moment = datetime(century + int(year), int(month), int(day), hour, minute, second)
    except ValueError:
        return None
    return moment if 1990 <= moment.year <= 2100 else None


def parse_int(text: str | None) -> int | None:
    """A whole number as spreadsheets leave it: `0295`, `295.0`, `45108,0`, `I303066`."""
    match = re.fullmatch(r"[A-Za-z]?(\d{1,18})(?:[.,]0*)?", text or "", re.ASCII)
    return int(match[1]) if match else None


def parse_float(text: str | None) -> float | None:
    """A plain positive number, with a point or, as some spreadsheets write it, a comma."""
    match = re.fullmatch(r"\d{1,18}(?:[.,]\d*)?", text or "", re.ASCII)
    return float(match[0].replace(",", ".")) if match else None


def parse_years(text: str | None) -> float | None:
    """An age in years (`73.4`, `73,4`, `078Y`) of a plausible participant, 45 to 105."""
    years = parse_float((text or "").removesuffix("Y"))
    return years if years is not None and 45 <= years <= 105 else None


def parse_sex(text: str | None) -> str | None:
    """F or M from the words of tables and image headers, and from the code (1 male, 2 female)."""
    return _SEXES.get((text or "").lower())


def parse_flag(text: str | None) -> bool | None:
    """Whether a table says yes: `1`, `1.0`, `TRUE`; or no: `0`, `FALSE`."""
    return _FLAGS.get((text or "").lower())


def parse_tesla(text: str | None) -> float | None:
    """A field strength in tesla (`3`, `3 Tesla MRI`, `15000 G`), near ones as 1.5 and 3."""
    match = re.match(r"\d{1,6}(?:[.,]\d*)?", text or "", re.ASCII)
    strength = parse_float(match[0]) if match else None
    if not strength:
        return None
    if strength > 100:
        strength /= 10_000  # gauss
    return next((usual for usual in (1.5, 3.0) if abs(strength - usual) < 0.15), strength)


def parse_manufacturer(text: str | None) -> str | None:
    """Siemens, GE or Philips by the maker's first word; another maker as it is spelt."""
    words = (text or "").split()
    return _MANUFACTURERS.get(words[0].lower(), text) if words else None


def parse_ptid(text: str | None) -> str | None:
    """The archive's subject id, 002_S_0295, wherever it stands in a text: `sub-ADNI002S0295`."""
    match = _PTID.search(text or "")
    return f"{match[1]}_S_{match[3]}" if match else None


def roster_id(ptid: str | None, rid: str | None = None) -> int | None:
    """The participant's number in every table: the end of `002_S_0295`, else the RID column."""
    match = _PTID.search(ptid or "")
    return int(match[3]) if match else parse_int(rid)
