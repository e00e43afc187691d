"""Which scans are evaluated: a split, another subject, three sessions of one subject."""

from typing import NamedTuple

import pandas as pd

from ldae.errors import UserError


def take_split(rows: pd.DataFrame, *splits: str) -> pd.DataFrame:
    """The scans of some splits, by participant and months.

    Raises:
        UserError: there are none.
    """
    taken = rows[rows["split"].isin(splits)]
    if taken.empty:
        raise UserError(f"no scan is in the split {' or '.join(splits)}; enlarge it (split:)")
    return taken.sort_values(["participant_id", "months", "session_id"], ignore_index=True)


def other_subject(rows: pd.DataFrame) -> list[int]:
    """For each row the position of another subject's scan: the next subject's, at a like visit.

    Raises:
        UserError: there is only one subject.
    """
    positions = rows.reset_index(drop=True).groupby("participant_id", sort=True).indices
    subjects = list(positions)
    if len(subjects) < 2:
        raise UserError("one test subject only: no other one to compare with; enlarge split: test")
    partner = [0] * len(rows)
    for subject, following in zip(subjects, [*subjects[1:], subjects[0]], strict=True):
        for visit, position in enumerate(positions[subject]):
            partner[position] = int(positions[following][visit % len(positions[following])])
    return partner


class Triplet(NamedTuple):
    """Rows of the table of scans; `middle` is None for a subject with two sessions."""

    start: pd.Series
    middle: pd.Series | None
    end: pd.Series

    @property
    def gap_months(self) -> int:
        """Months from start to end."""
        return int(self.end["months"] - self.start["months"])

    @property
    def fraction(self) -> float:
        """Where the real middle lies in time, 0 at the start and 1 at the end."""
        if self.middle is None:
            return 0.5
        return float((self.middle["months"] - self.start["months"]) / self.gap_months)


def pick_triplet(rows: pd.DataFrame) -> Triplet:
    """First and last session, and the one nearest half-way, of the first subject that has three.

    Test subjects go before validation subjects, and subjects with three sessions before those with
    two, by sort order.

    Raises:
        UserError: no held-out subject has two sessions.
    """
    for fewest in (3, 2):
        for split in ("test", "validation"):
            held_out = rows[rows["split"] == split].sort_values(["participant_id", "months"])
            for _, sessions in held_out.groupby("participant_id", sort=True):
                visits = sessions.drop_duplicates("months").reset_index(drop=True)
                if len(visits) >= fewest:
                    return _of_visits(visits)
    raise UserError(
        "interpolation needs a test or validation subject with two sessions; there is none"
    )


def _of_visits(visits: pd.DataFrame) -> Triplet:
    start, inner, end = visits.iloc[0], visits.iloc[1:-1], visits.iloc[-1]
    if inner.empty:
        return Triplet(start, None, end)
    half_way = (start["months"] + end["months"]) / 2
    nearest = (inner["months"] - half_way).abs().argmin()
    return Triplet(start, inner.iloc[int(nearest)], end)
