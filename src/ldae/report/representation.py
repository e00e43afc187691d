"""Is y_sem alive? The signs by which a collapsed or unused semantic code is recognised."""

from dataclasses import dataclass

import pandas as pd

from ldae.report.headline import number


@dataclass(frozen=True)
class Vitality:
    """One encoder's state with the numbers that decide it."""

    encoder: str
    alive: bool
    statement: str


def vitality(representation: pd.DataFrame) -> list[Vitality]:
    """Read `tables/representation.csv`: collapsed, unused by the decoder, or alive.

    What counts as `collapsed` is decided where it is measured. Unused: reconstructions from another
    subject's code are not shown to be worse than from the right one (the margin, or the lower end
    of its interval, is not above zero).
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
    if row["collapsed"]:
        return Vitality(encoder, False, f"its code has collapsed: {found}.")
    if pd.isna(margin):
        return Vitality(encoder, True, f"its code varies between scans: {found}.")
    if lowest <= 0:
        return Vitality(
            encoder, False, f"y_sem varies, but the decoder is not shown to use it: {found}."
        )
    return Vitality(encoder, True, f"y_sem is alive: {found}.")
