"""Reading a table however it was saved: encoding, separator, line ends, stray quotes, index column.

A table is read as a stream and reduced to the columns that are wanted. What cannot be read as a
table raises `TableError`, which says why; nothing here depends on what the table is about.
"""

import codecs
import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from ldae.adni.catalog import column_key
from ldae.imaging.storage import Storage, StorageError
from ldae.parsing import known
from ldae.runtime import note_read

Row = dict[str, str | None]
_Lines = tuple[int, int, list[str]]  # a row as it is, with the lines it begins and ends on

_MAX_LINE = 1 << 20  # characters
_MAX_LINES = 50  # of one row: comments have fewer, so more are swallowed by an unclosed quote
_START = 1 << 16  # bytes that show what a file is
_PEEK = 50  # rows that show whether all have one cell more than the header
_COUNT = re.compile(r"[0-9]{1,9}")
_LATIN_1 = "latin-1-where-not-utf-8"
_FOREIGN = {
    b"<!doctype": "a web page, as of a log-in that has expired",
    b"<html": "a web page, as of a log-in that has expired",
    b"pk\x03\x04": "a zip file or a workbook",
    b"\xd0\xcf\x11\xe0": "a workbook",
}


class TableError(Exception):
    """Why a file cannot be read as a table, to follow its name."""


@dataclass(frozen=True)
class CsvTable:
    """Rows of text, None for missing, and the lines that could not be understood."""

    rows: tuple[Row, ...]
    left_out: tuple[int, ...]  # counted from 1
    mb: float  # size of the file


class _KnownCells(dict[str, str | None]):
    """Cells tidied once each, for tables repeat themselves."""

    def __missing__(self, cell: str) -> str | None:
        tidy = known(cell)
        self[cell] = cell if tidy == cell else tidy
        return self[cell]


def read_header(storage: Storage, file: str) -> tuple[str, ...]:
    """The names of a table's columns as `column_key` spells them; raises TableError."""
    with _open_table(storage, file) as (header, _):
        return tuple(map(column_key, header))


def read_csv(
    storage: Storage,
    file: str,
    columns: Mapping[str, Sequence[str]],
    *,
    max_rows: int,
    max_mb: float,
) -> CsvTable:
    """The rows of a table, reduced to `columns` (name: its spellings); raises TableError.

    Of several columns that are one by their spelling, the first that has a value counts.
    """
    with _open_table(storage, file) as (header, lines):
        if (mb := storage.size(file) / 1e6) > max_mb:
            raise TableError(f"larger than the {max_mb:g} MB that tables may have")
        ahead = list(islice(lines, _PEEK))
        names = ["", *header] if _is_indexed([row for _, _, row in ahead], len(header)) else header
        find_values = _finder(names, columns)
        rows: list[Row] = []
        left_out: list[int] = []
        for begin, end, row in chain(ahead, lines):
            if not any(row) or row == header:
                continue
            if end - begin >= _MAX_LINES or any(map(known, row[len(names) :])):
                left_out.append(begin)
            elif len(rows) == max_rows:
                raise TableError(f"more than the {max_rows} rows that tables may have")
            else:
                rows.append(find_values(row))
    return CsvTable(tuple(rows), tuple(left_out), mb)


def _finder(
    names: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> Callable[[list[str]], Row]:
    places = defaultdict(list)
    for place, name in enumerate(names):
        places[column_key(name)].append(place)
    sources = [
        (name, [place for spelling in spellings for place in places[column_key(spelling)]])
        for name, spellings in columns.items()
    ]
    cells = _KnownCells()

    def find_values(row: list[str]) -> Row:
        values: Row = {}
        for name, candidates in sources:
            value = None
            for place in candidates:
                if place < len(row) and (value := cells[row[place]]) is not None:
                    break
            values[name] = value
        return values

    return find_values


@contextmanager
def _open_table(storage: Storage, file: str) -> Iterator[tuple[list[str], Iterator[_Lines]]]:
    """The header and the rows of a table."""
    if place := storage.path(file):  # of tables within zips nothing is noted
        note_read(place)
    try:
        start = storage.read_start(file, _START)
        encoding, separator = _layout(start)
        with (
            storage.open(file) as binary,
            io.TextIOWrapper(binary, encoding, errors=_LATIN_1, newline="") as text,
        ):
            rows = _rows(text, separator)
            for _, _, header in rows:
                if any(map(known, header)) and not header[0].lower().startswith("sep="):
                    yield header, rows
                    return
        raise TableError("no header of several columns")
    except StorageError as error:
        why = error.detail.removeprefix(f"{file}: ")
        raise TableError(f"cannot be read to its end ({why})") from None


def _layout(start: bytes) -> tuple[str, str]:
    """Encoding and separator by the first bytes of a file."""
    for magic, what in _FOREIGN.items():
        if start.lstrip().lower().startswith(magic):
            raise TableError(what)
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    text = start.decode(encoding, errors="replace")
    if "\0" in text:
        raise TableError("no text")
    first = next((line for line in text.splitlines() if known(line)), "")
    if hint := re.match(r"sep=(.)", first, re.IGNORECASE):  # as Excel writes it
        return encoding, hint[1]
    unquoted = re.sub(r'"[^"]*"', "", first)
    separator = max([",", ";", "\t", "|"], key=unquoted.count)
    if separator not in unquoted:
        raise TableError("no header of several columns")
    return encoding, separator


def _rows(text: io.TextIOWrapper, separator: str) -> Iterator[_Lines]:
    lines = csv.reader(_short_lines(text), delimiter=separator)
    begin = 1
    try:
        for row in lines:
            yield begin, lines.line_num, row
            begin = lines.line_num + 1
    except csv.Error as error:
        raise TableError(f"cannot be read at line {lines.line_num} ({error})") from None


def _short_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise TableError(f"a line of more than {_MAX_LINE} characters")
        yield line


def _is_indexed(rows: Sequence[list[str]], width: int) -> bool:
    """Whether the rows begin with an index that the header leaves out, as R writes them.

    They could also end in a column without a name, or in a mere separator; so the index must count,
    and from 0 or 1 where nothing stands in the last column.
    """
    rows = [row for row in rows if any(row)]
    if not rows or any(len(row) != width + 1 or not _COUNT.fullmatch(row[0]) for row in rows):
        return False
    index = [int(row[0]) for row in rows]
    if any(known(row[-1]) for row in rows):
        return all(one < other for one, other in pairwise(index))
    return index[0] in {0, 1} and index == list(range(index[0], index[0] + len(index)))


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN_1, _as_latin_1)
