"""Is y_sem alive? The signs by which a collapsed or unused semantic code is recognised."""

from dataclasses import dataclass

import pandas as pd

from ldae.report.headline import number

# A code that has collapsed keeps a variance of about 1e-6 per dimension in one or two directions; a
# live one, 1 to 5 in about ten. A probe does not notice, since standardising inflates any residue.
LEAST_VARIANCE = 0.01
LEAST_RANK = 2.0


@dataclass(frozen=True)
class Vitality:
    """One encoder's state with the numbers that decide it."""

    encoder: str
    alive: bool
    statement: str


def vitality(representation: pd.DataFrame) -> list[Vitality]:
    """Read `tables/representation.csv`: collapsed, unused by the decoder, or alive.

    Unused: reconstructions from another subject's code are not shown to be worse than from the
    right one (the margin, or the lower end of its interval, is not above zero).
    """
    return [_judge(pd.Series(row)) for row in representation.to_dict("records")]


def _judge(row: "pd.Series[float]") -> Vitality:
    encoder = str(row["encoder"])
    variance, rank = float(row["variance_per_dim"]), float(row["effective_rank"])
    margin = float(row["wrong_subject_margin"])
    lowest = row.get("wrong_subject_margin_low")
    lowest = margin if lowest is None or pd.isna(lowest) else float(lowest)
    found = f"variance per dimension {number(variance)}, effective rank {number(rank)}"
    if not pd.isna(margin):
        found += f", SSIM margin over another subject's code {number(margin)}"
    if not (variance >= LEAST_VARIANCE and rank >= LEAST_RANK):  # also when they are undefined
        return Vitality(encoder, False, f"y_sem has collapsed: {found}.")
    if pd.isna(margin):
        return Vitality(encoder, True, f"y_sem varies between scans: {found}.")
    if lowest <= 0:
        return Vitality(
            encoder, False, f"y_sem varies, but the decoder is not shown to use it: {found}."
        )
    return Vitality(encoder, True, f"y_sem is alive: {found}.")
