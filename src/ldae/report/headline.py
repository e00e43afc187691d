"""The few numbers that matter most, beside the paper's: at the terminal and on top of the page."""

from pathlib import Path

import pandas as pd

from ldae.errors import UserError
from ldae.report.comparison import COMPARED
from ldae.report.labels import metric_label, row_label

WIDTHS = (30, 22, 9, 26)


def read_comparison(path: Path) -> pd.DataFrame:
    """Read `tables/paper.csv`; what the paper printed stays text, with its digits."""
    text = ["table", "row", "metric", "paper", "verdict", "cause", "note"]
    frame = pd.read_csv(path, dtype=dict.fromkeys(text, "string"))
    if list(frame.columns) != COMPARED:
        raise UserError(f"{path}: wrong columns {list(frame.columns)}; remake it (compare-paper)")
    return frame


def headline_rows(comparison: pd.DataFrame) -> pd.DataFrame:
    """The rows worth the top of the page.

    Of every model and start, the largest number of steps this run has computed (or the largest the
    paper reports); of the models, those that the first table lacks; everything of other tables.
    """
    parts = comparison["row"].str.rpartition("/")
    reconstruction = comparison["table"] == "reconstruction"
    steps = pd.to_numeric(parts[2].where(reconstruction))
    rank = steps + 1e6 * computed(comparison)
    largest = rank == rank.groupby(parts[0]).transform("max")
    models = comparison["table"] == "models"
    known = comparison["row"].isin(parts[0][reconstruction])
    others = models & ~known & (comparison["metric"] != "latent_dim")
    return comparison[largest | others | ~(reconstruction | models)]


def computed(comparison: pd.DataFrame) -> "pd.Series[bool]":
    """Whether this run has any number in a line's row of the paper."""
    present = comparison["this_run"].notna()
    return present.groupby([comparison["table"], comparison["row"]]).transform("any")


def interval(value: float, low: float, high: float) -> str:
    """`0.912 [0.900, 0.930]`, or `0.912` when there is no interval around it."""
    if low == high:
        return number(value)
    return f"{number(value)} [{_fixed(low, value)}, {_fixed(high, value)}]"


def number(value: float) -> str:
    """A measured number with about three digits that count, and no exponent above 1e-5."""
    if 0 < abs(value) < 1e-5:
        return f"{value:.2g}"
    return "0" if value == 0 else _fixed(value, value)


def _fixed(value: float, like: float) -> str:
    """`value` with as many decimals as suit a number of the size of `like`."""
    sizes = ((0.0001, 7), (0.001, 6), (0.01, 5), (0.1, 4), (10, 3), (100, 2), (1000, 1))
    decimals = next((decimals for bound, decimals in sizes if abs(like) < bound), 0)
    return f"{value:,.{decimals}f}"


def headline(table_csv: Path) -> str:
    """The headline table as plain text, from `tables/paper.csv`."""
    rows = headline_rows(read_comparison(table_csv))
    present = rows[rows["this_run"].notna()]
    lines = [_line("", "metric", "paper", "this run [interval]", "verdict")]
    lines.append("─" * (sum(WIDTHS) + len("verdict") + 2 * len(WIDTHS)))
    previous = ""
    for row in present.to_dict("records"):
        label = row_label(row["table"], row["row"])
        run = interval(row["this_run"], row["low"], row["high"])
        shown = "" if label == previous else label
        lines.append(_line(shown, metric_label(row["metric"]), row["paper"], run, row["verdict"]))
        previous = label
    missing = rows.loc[rows["this_run"].isna(), "cause"]
    counts = missing.groupby(missing, sort=False).size()
    lines += [f"Not computed ({count} of these): {cause}." for cause, count in counts.items()]
    if causes := known_differences(present):
        lines.append(f"Known differences: {'; '.join(causes)}.")
    return "\n".join(lines) + "\n"


def known_differences(comparison: pd.DataFrame) -> list[str]:
    """The known causes that any computed number names, each once."""
    lines = comparison.loc[comparison["this_run"].notna(), "cause"].dropna()
    return list(dict.fromkeys(cause for line in lines for cause in str(line).split("; ")))


def _line(*words: str) -> str:
    padded = [f"{word:<{width}}" for word, width in zip(words, WIDTHS, strict=False)]
    return "  ".join([*padded, words[-1]]).rstrip()
