"""Tables of strangers, read as text: any separator, encoding and line end of a spreadsheet."""

import csv
import io
import re
from pathlib import Path

from ldae.errors import UserError
from ldae.parsing import known

MAX_BYTES = 256 * 1024**2  # more is no table of scans

Row = dict[str, str | None]


def read_rows(path: Path) -> list[tuple[int, Row]]:
    """The rows of a CSV or TSV file with the lines they end on.

    Columns are in lower case with `_` for anything but letters and digits; missing values are None.
    A row with more cells than columns has the others under the column "".

    Raises:
        UserError: if the file is no such table.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MB; is it a table?")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if b"\0" in content:
        raise UserError(f"{path}: not a text file; save it as CSV (UTF-8)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max("\t;,", key=first.count))
    try:
        header = [_column(name) for name in next(reader, [])]
        return [(reader.line_num, _row(header, cells)) for cells in reader if any(cells)]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from None


def _column(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def _row(header: list[str], cells: list[str]) -> Row:
    values = [cell.strip() if known(cell) else None for cell in cells]
    row: Row = dict(zip(header, values, strict=False))
    surplus = [value for value in values[len(header) :] if value]
    return row | ({"": " ".join(surplus)} if surplus else {})
