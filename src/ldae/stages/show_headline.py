"""End a run: the headline table at the terminal, and where the results page is."""

import sys
from pathlib import Path

import pandas as pd

from ldae.report.headline import headline
from ldae.report.representation import vitality


def show_headline(*, table: Path, representation: Path, report: Path) -> None:
    """Print the headline, whether y_sem is alive, and the place of the `report`.

    Args:
        table: `tables/paper.csv`.
        representation: `tables/representation.csv`.
        report: the results page.
    """
    codes = [
        f"{each.encoder}: {each.statement}\n" for each in vitality(pd.read_csv(representation))
    ]
    sys.stdout.write(f"\n{headline(table)}\n{''.join(codes)}\nResults page: {report}\n")
