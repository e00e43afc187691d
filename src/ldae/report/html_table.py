"""Result tables as the page shows them: intervals beside their numbers, sortable, downloadable."""

import base64
import io
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ldae.errors import UserError
from ldae.report.comparison import explanations
from ldae.report.headline import interval
from ldae.report.labels import TASKS, metric_label

EMPTY = "–"
BADGES = ("verdict", "state")
CSV = "text/csv;charset=utf-8"


@dataclass(frozen=True)
class Cell:
    """What a reader sees, and the number it is sorted by (empty: by its text).

    `same` as in the row above, so not repeated while the table is in its first order; `share` is a
    bar of so many percent.
    """

    text: str
    sort: str = ""
    same: bool = False
    share: int | None = None


@dataclass(frozen=True)
class HtmlTable:
    """A table for the template; `download` is its CSV as a data URI.

    `empty` names the columns that hold nothing and are not shown, with why; `title` is what a part
    of a split table is about.
    """

    name: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: tuple[str, ...]
    download: str
    title: str = ""

    @property
    def badges(self) -> int | None:
        """The index of the column that holds verdicts or states, if there is one."""
        names = [column.lower() for column in self.columns]
        return next((names.index(name) for name in BADGES if name in names), None)


def from_csv(path: Path) -> HtmlTable:
    """The table in a result CSV, whose bytes are what the reader can download."""
    return _table(path.stem, read_csv(path), path.read_bytes())


def split(name: str, frame: pd.DataFrame, column: str) -> list[HtmlTable]:
    """A part per value of `column`, without what is empty in it; downloaded is the whole.

    Raises:
        UserError: there is no such column.
    """
    if column not in frame:
        raise UserError(f"{name}.csv: no column {column!r}; remake it")
    whole = csv_uri(frame)
    return [
        replace(
            _table(name, part.drop(columns=column), b""),
            empty=(),
            title=TASKS.get(str(value), str(value)),
            download=whole,
        )
        for value, part in frame.groupby(column, sort=False)
    ]


def from_frame(name: str, frame: pd.DataFrame) -> HtmlTable:
    """A table made for the page."""
    return _table(name, frame, _csv(frame))


def csv_uri(frame: pd.DataFrame) -> str:
    """A table as the address of its CSV."""
    return data_uri(_csv(frame), CSV)


def interval_text(value: float, low: float, high: float) -> str:
    """A number with its interval, where it has one."""
    return interval(value, *(value if pd.isna(end) else end for end in (low, high)))


def data_uri(content: bytes, media: str) -> str:
    """`content` as an address that needs no network."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _csv(frame: pd.DataFrame) -> bytes:
    text = io.StringIO()
    frame.to_csv(text, index=False, float_format="%.6g", lineterminator="\n")
    return text.getvalue().encode()


def read_csv(path: Path) -> pd.DataFrame:
    """A result CSV.

    Raises:
        UserError: it is not one.
    """
    try:
        return pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a CSV table ({error})") from None


def _table(name: str, frame: pd.DataFrame, csv: bytes) -> HtmlTable:
    bounds = {f"{column}{end}" for column in frame.columns for end in ("_low", "_high")}
    why = explanations(frame)
    empty = [column for column in frame.columns if len(frame) and frame[column].isna().all()]
    hidden = {*bounds, *empty, "not_computed"}
    shown = [column for column in frame.columns if column not in hidden]
    numeric = [
        pd.api.types.is_numeric_dtype(frame[column])
        and not pd.api.types.is_bool_dtype(frame[column])
        for column in shown
    ]
    cells = [
        _column(frame, column) if counts else [_text(value) for value in frame[column]]
        for column, counts in zip(shown, numeric, strict=True)
    ]
    return HtmlTable(
        name,
        tuple(metric_label(column) for column in shown),
        tuple(numeric),
        tuple(zip(*cells, strict=True)),
        tuple(
            why.get(column, f"{column}: no row could be computed")
            for column in empty
            if column not in {*bounds, "not_computed"}
        ),
        data_uri(csv, CSV),
    )


def _column(frame: pd.DataFrame, column: str) -> list[Cell]:
    values = frame[column]
    whole = bool((values.dropna() % 1 == 0).all())
    low, high = (frame.get(f"{column}{end}", values).fillna(values) for end in ("_low", "_high"))
    return [
        Cell(EMPTY)
        if pd.isna(value)
        else Cell(
            str(int(value)) if whole and below == above else interval(value, below, above),
            repr(float(value)),
        )
        for value, below, above in zip(values, low, high, strict=True)
    ]


def _text(value: object) -> Cell:
    return Cell(EMPTY if pd.isna(value) else str(value))  # type: ignore[call-overload]
