"""The study tables of a download: found by tolerant names, read as text, freed of the usual damage.

Every table is optional; one that is not there costs what only it knows, never the run.
"""

import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ldae.errors import UserError

Row = dict[str, str | None]

# "Missing" and "confirmed missing" of the case report forms, also as spreadsheets rewrite them.
MISSING = {"", "-4", "-4.0", "-1", "-1.0", "NA", "N/A", "n/a", "nan", "None", "null"}

_ADNIMERGE = ["PTID", "RID", "VISCODE", "EXAMDATE", "EXAMDATE_bl", "DX", "AGE", "PTGENDER"]
_DXSUM = ["PTID", "RID", "VISCODE2", "EXAMDATE", "DIAGNOSIS"]
_IMAGES = ["Image Data ID", "Subject", "Group", "Sex", "Age", "Description", "Type", "Acq Date"]
_DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d-%b-%y", "%d-%b-%Y", "%Y%m%d", "%d%b%Y")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyTables:
    """The tables that ingestion reads, as rows of text; a table that is not there has no rows."""

    adnimerge: tuple[Row, ...] = ()
    dxsum: tuple[Row, ...] = ()
    images: tuple[Row, ...] = ()  # the archive's own lists of the images downloaded


def read_study_tables(paths: Iterable[Path]) -> StudyTables:
    """Choose the study tables among CSV files and read them, saying which are used or missing."""
    paths = sorted(paths)
    # A collection may have any name, so its list of images is known by its columns.
    lists = [path for path in paths if {"Image Data ID", "Subject"} <= set(_header(path))]
    log.info("lists of images: %s", ", ".join(map(str, lists)) or "none, so folder names describe")
    return StudyTables(
        adnimerge=_read_newest("ADNIMERGE", paths, _ADNIMERGE),
        dxsum=_read_newest("DXSUM", paths, _DXSUM),
        images=tuple(row for path in lists for row in read_rows(path, _IMAGES)),
    )


def newest_table(name: str, paths: Iterable[Path]) -> Path | None:
    """The file of table `name`, perhaps prefixed or dated: `All_Subjects_DXSUM_07Sep2025.csv`.

    Of several, the one with the newest date is taken; an undated one counts as oldest.
    """
    pattern = re.compile(rf"^(?:.*_)?{name}(?:_(\d{{1,2}}[a-z]{{3}}\d{{4}}))?\.csv$", re.IGNORECASE)
    dated = [
        (parse_date(match[1]) or date.min, path)
        for path in paths
        if (match := pattern.match(path.name))
    ]
    if not dated:
        return None
    newest = max(dated)[1]
    older = ", ".join(str(path) for _, path in dated if path != newest)
    log.info("%s: %s%s", name, newest, f" (not used: {older})" if older else "")
    return newest


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV reduced to `columns`: trimmed text, None for missing.

    Reads UTF-8 with or without BOM and Latin-1, commas and semicolons. A column that is not there
    is missing in every row, and said so.
    """
    text = _decode(path.read_bytes())
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        names = {_clean(name): name for name in reader.fieldnames or []}
        absent = [name for name in columns if name not in names]
        if absent:
            log.warning("%s: no column %s", path, ", ".join(absent))
        present = [(name, names[name]) for name in columns if name in names]
        empty: Row = dict.fromkeys(columns)
        return [empty | {new: _cell(row[old]) for new, old in present} for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV table ({error}); download it again") from None


def parse_date(text: str | None) -> date | None:
    """A date in one of the archive's spellings, month first where ambiguous; None if it is none."""
    day = re.split(r"[ T]", text or "", maxsplit=1)[0]
    for spelling in _DATE_FORMATS:
        try:
            parsed = datetime.strptime(day, spelling).date()
        except ValueError:
            continue
        return parsed if 1990 <= parsed.year <= 2100 else None  # 1/01/1900 means unknown
    return None


def parse_int(text: str | None) -> int | None:
    """A whole number as spreadsheets leave it: `0295`, `295.0`, `I303066`."""
    match = re.fullmatch(r"[A-Za-z]?(\d+)(?:\.0*)?", text or "")
    return int(match[1]) if match else None


def parse_float(text: str | None) -> float | None:
    """A plain positive number."""
    return float(text) if text and re.fullmatch(r"\d+(?:\.\d*)?", text) else None


def parse_years(text: str | None) -> float | None:
    """An age in years (`73.4`, `078Y`) of a plausible participant, 45 to 105."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)Y?", text or "")
    return years if match and 45 <= (years := float(match[1])) <= 105 else None


def parse_sex(text: str | None) -> str | None:
    """F or M from the spellings of tables and image headers."""
    return {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}.get((text or "").upper())


def roster_id(ptid: str | None, rid: str | None = None) -> int | None:
    """The participant's number in every table: the end of `002_S_0295`, else the RID column."""
    match = re.search(r"\d{3}_S_(\d{4,5})(?!\d)", ptid or "")
    return int(match[1]) if match else parse_int(rid)


def _read_newest(name: str, paths: Iterable[Path], columns: Sequence[str]) -> tuple[Row, ...]:
    path = newest_table(name, paths)
    if path is None:
        log.warning("%s: not in the download; what only it knows will be missing", name)
        return ()
    return tuple(read_rows(path, columns))


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        line = _decode(file.readline(65536))
    return [_clean(name) for name in line.split(_delimiter(line))]


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _cell(text: str | None) -> str | None:
    clean = _clean(text or "")
    return None if clean in MISSING else clean


def _clean(text: str) -> str:
    return text.replace("\xa0", " ").strip().strip('"').strip()
