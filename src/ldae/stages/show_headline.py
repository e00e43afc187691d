"""End a run: the headline table at the terminal, and where the results page is."""

import sys
from pathlib import Path

from ldae.report.headline import headline


def show_headline(*, table: Path, report: Path) -> None:
    """Print the headline of `table` (`tables/paper.csv`) and the place of the `report`."""
    sys.stdout.write(f"\n{headline(table)}\nResults page: {report}\n")
