"""The study tables of a download: found by tolerant names or by their columns, read as text.

Every table is optional; one that is not there costs what only it knows, never the run. Of several
files of one table the newest is read; which, and what could not be read, is kept to be told.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from ldae.adni.catalog import CATALOG, TableKind
from ldae.adni.csv_table import Row, TableError, read_csv, read_header
from ldae.imaging.storage import INSIDE, Storage
from ldae.parsing import parse_date

# Of all tables together: several times what the archive has, so that none can exhaust the memory.
MAX_ROWS = 2_000_000
MAX_MB = 1000

_NAMES = {kind.name for kind in CATALOG}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyTables:
    """The rows of each table of the catalog, and where they are from."""

    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)  # by name of the table
    chosen: Mapping[str, str] = field(default_factory=dict)  # file; several are joined by ", "
    passed_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # older files
    problems: tuple[str, ...] = ()  # file, line where known, what to do

    def __getitem__(self, name: str) -> tuple[Row, ...]:
        """The rows of a table, none if it is absent; a table not in the catalog is an error."""
        if name not in _NAMES:
            raise KeyError(name)
        return self.rows.get(name, ())


@dataclass(frozen=True, order=True)
class _Candidate:
    """A file that may be a table; the greatest is preferred."""

    named: bool  # and not merely known by its columns
    complete: bool  # no excerpt of some subjects, as the archive's table builder makes them
    dated: date
    preference: int
    copy: int
    file: str
    header: tuple[str, ...] = field(compare=False)


def read_study_tables(storage: Storage, files: Iterable[str]) -> StudyTables:
    """Choose the study tables among CSV files and read them."""
    reader = _Reader(storage)
    candidates = reader.find_candidates(files)
    rows: dict[str, tuple[Row, ...]] = {}
    chosen: dict[str, str] = {}
    passed_over: dict[str, tuple[str, ...]] = {}
    missing: list[str] = []
    for kind in CATALOG:
        found, used, unused = reader.read_kind(kind, candidates[kind.name])
        if used:
            rows[kind.name], chosen[kind.name] = tuple(found), ", ".join(used)
            log.info("%s: %d rows of %s", kind.name, len(found), chosen[kind.name])
        elif kind.page:
            missing.append(f"{kind.name} ({kind.costs})")
        if unused:
            passed_over[kind.name] = tuple(unused)
            log.info("%s: passed over %s", kind.name, ", ".join(unused))
    if missing:
        log.warning("not in the download (unknown without it): %s", "; ".join(missing))
    for problem in reader.problems:
        log.warning("%s", problem)
    return StudyTables(rows, chosen, passed_over, tuple(reader.problems))


class _Reader:
    """Reads tables until there are too many, and keeps what went wrong."""

    def __init__(self, storage: Storage) -> None:
        self.problems: list[str] = []
        self._storage = storage
        self._rows_left = MAX_ROWS
        self._mb_left = float(MAX_MB)

    def find_candidates(self, files: Iterable[str]) -> Mapping[str, list[_Candidate]]:
        """The files that may be each table, by its name."""
        candidates: dict[str, list[_Candidate]] = defaultdict(list)
        for file in sorted(set(files)):
            name = file.replace(INSIDE, "/").rpartition("/")[2]
            if name.startswith("."):  # shadows that some systems leave beside files
                continue
            kind = next((kind for kind in CATALOG if kind.matches(name)), None)
            try:
                header = read_header(self._storage, file)
            except TableError as error:
                if kind:
                    self._tell_damaged(kind, file, str(error))
                continue
            lacking = kind.lacks(header) if kind else None
            if kind is None or lacking:
                told = next((kind for kind in CATALOG if kind.has_telling_columns(header)), None)
                if kind and told is None:
                    self._tell_damaged(kind, file, f"named as {kind.name}, but without {lacking}")
                kind = told
            if kind:
                candidates[kind.name].append(_candidate(file, name, kind=kind, header=header))
        return candidates

    def read_kind(
        self, kind: TableKind, candidates: Iterable[_Candidate]
    ) -> tuple[list[Row], list[str], list[str]]:
        """Rows of the best readable file, or of all where all count; files used, and not used."""
        rows: list[Row] = []
        used: list[str] = []
        unused: list[str] = []
        for candidate in sorted(candidates, reverse=True):
            file = candidate.file
            if used and not kind.every:
                unused.append(file)
                continue
            try:
                table = read_csv(
                    self._storage,
                    file,
                    kind.columns,
                    max_rows=self._rows_left,
                    max_mb=self._mb_left,
                )
            except TableError as error:
                self._tell_damaged(kind, file, str(error))
                continue
            self._rows_left -= len(table.rows)
            self._mb_left -= table.mb
            used.append(file)
            rows += table.rows
            if kind.name == "IMAGE_LIST":
                self._tell_list(candidate, table.rows)
            if table.left_out:
                first, *others = table.left_out
                more = f" and {len(others)} more" if others else ""
                self.problems.append(
                    f"{file}: line {first}{more} not used, being at odds with the header (a stray "
                    "quote or separator?); correct the file or download it again"
                )
        return rows, used, unused

    def _tell_list(self, candidate: _Candidate, rows: Iterable[Row]) -> None:
        """Note in each row which of the archive's lists of images it is from."""
        header = set(candidate.header)
        which = "search" if {"subjectid", "age", "description"} <= header else "images"
        for row in rows:
            row["list"] = "collection" if "imagedataid" in header else which
        if not {"imageid", "imagedataid"} & header:
            self.problems.append(
                f"{candidate.file}: no column Image ID, so it cannot be matched to images; tick "
                "Image ID in the search and download the list again"
            )

    def _tell_damaged(self, kind: TableKind, file: str, why: str) -> None:
        advice = f"download it again ({kind.page})" if kind.page else "newer tables replace it"
        self.problems.append(f"{file}: {why}; {advice}")


def _candidate(file: str, name: str, *, kind: TableKind, header: tuple[str, ...]) -> _Candidate:
    match = kind.matches(name)
    preference, dated, copy = match or (0, None, 0)
    return _Candidate(
        named=match is not None,
        complete=not re.search(r"(?<!\d)\d+_Subjects_", name, re.IGNORECASE),
        dated=parse_date(dated) or date.min,
        preference=-preference,
        copy=copy,
        file=file,
        header=header,
    )
