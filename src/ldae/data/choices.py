"""Which scans are evaluated: a split, another subject, one visit or three of each subject."""

import hashlib
from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from ldae.errors import UserError

PLACES = ("start", "middle", "end")  # of a triplet of sessions


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


def other_subjects(rows: pd.DataFrame) -> list[int]:
    """As `other_subject`, or nothing where there is only one subject."""
    return other_subject(rows) if rows["participant_id"].nunique() > 1 else []


def first_visits(rows: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """The first scan of each subject, of `most` subjects at most, by participant.

    Where there are more subjects, the diagnoses take turns, and within a diagnosis a hash of the
    participant's name decides: the same subjects at every run, whoever else is in the table.
    """
    ordered = rows.sort_values(["participant_id", "months", "session_id"])
    first = ordered.drop_duplicates("participant_id", ignore_index=True)
    turns = _by_hash(first, ["participant_id"]).groupby("diagnosis", dropna=False).cumcount()
    chosen = turns.sort_values(kind="stable").index[:most]
    return first.loc[sorted(chosen)].reset_index(drop=True)


def all_triplets(rows: pd.DataFrame) -> pd.DataFrame:
    """Every start < middle < end among the sessions of a subject: n(n-1)(n-2)/6 of n months.

    Returns:
        participant_id; `start`, `middle`, `end`, positions in `rows`, and `start_session` and so
        on; `gap_months` from start to end; `fraction`, where the middle lies in time between 0 and
        1. By participant and months.
    """
    visits = rows.reset_index(drop=True).sort_values(["participant_id", "months", "session_id"])
    found = [
        (participant, *three)
        for participant, sessions in visits.groupby("participant_id", sort=True)
        for three in combinations(sessions.drop_duplicates("months").index, 3)
    ]
    triplets = pd.DataFrame(found, columns=["participant_id", *PLACES])
    start, middle, end = (visits["months"].loc[triplets[place]].to_numpy() for place in PLACES)
    sessions = {
        f"{place}_session": visits["session_id"].loc[triplets[place]].to_numpy() for place in PLACES
    }
    return triplets.assign(
        **sessions, gap_months=end - start, fraction=(middle - start) / (end - start)
    )


def gap_class(months: int, classes: Sequence[int]) -> int:
    """The class nearest to a gap, of two as near the shorter: of the longest is all beyond it."""
    return min(sorted(classes), key=lambda each: abs(each - months))


def at_most(triplets: pd.DataFrame, most: int | None, *, by: Sequence[str]) -> pd.DataFrame:
    """`most` of the triplets, in their order: the groups `by` take turns, a hash decides in each.

    Where triplets are too many, subjects with many sessions give way first.
    """
    named = ["participant_id", *[f"{place}_session" for place in PLACES]]
    turns = _by_hash(triplets, named).groupby(list(by), sort=False).cumcount()
    chosen = turns.sort_values(kind="stable").index[:most]
    return triplets.loc[sorted(chosen)].reset_index(drop=True)


def _by_hash(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`rows` in an order that their own values in `columns` decide, and nothing else."""
    names = rows[columns].astype(str).agg("/".join, axis=1) if len(rows) else rows[columns[0]]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    return rows.assign(digest=digests).sort_values("digest").drop(columns="digest")
