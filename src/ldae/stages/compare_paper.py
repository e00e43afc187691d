"""Put this run's numbers beside the paper's (section 6 of its results; `config/paper.csv`)."""

from pathlib import Path

import pandas as pd

from ldae.errors import UserError
from ldae.report.comparison import REPORTED, SOURCES, compare
from ldae.report.deviations import Deviating, known_causes, scope_of
from ldae.tables import write_csv


class Settings(Deviating):
    """The sections that explain why this run's numbers may differ."""


def compare_paper(*, paper: Path, tables: list[Path], table: Path, settings: Settings) -> None:
    """Write `tables/paper.csv`: every number of `paper`, with this run's where it has one.

    Args:
        paper: the reported numbers: columns table, row, metric, paper, note.
        tables: this run's result tables, each named as the paper's table it stands beside.
        table: the comparison to write.
        settings: what this run was measured with.

    Raises:
        UserError: a table is not what it should be, or one the paper has no counterpart of.
    """
    strange = [str(path) for path in tables if path.stem not in SOURCES]
    if strange:
        raise UserError(f"--tables: {strange[0]}: expected {', '.join(SOURCES)} (.csv)")
    measured = {path.stem: pd.read_csv(path) for path in tables}
    causes, scope = known_causes(settings), scope_of(settings)
    write_csv(compare(read_reported(paper), measured, causes, scope=scope), table)


def read_reported(path: Path) -> pd.DataFrame:
    """Read the paper's numbers as printed, so that their digits say how far they were rounded."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(frame.columns) != REPORTED:
        raise UserError(f"{path}: expected the columns {', '.join(REPORTED)}")
    unknown = sorted(set(frame["table"]) - set(SOURCES))
    if unknown:
        raise UserError(f"{path}: unknown table {unknown[0]!r}; known: {', '.join(SOURCES)}")
    return frame
