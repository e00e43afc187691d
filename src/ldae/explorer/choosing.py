"""Which subjects are shown, in what order, and how many fit."""

import hashlib
from collections.abc import Iterable, Iterator

import pandas as pd

from ldae.explorer.content import Subject

FOR_A_TRIPLET = 3  # sessions


def in_turns(rows: pd.DataFrame) -> list[str]:
    """The subjects of `rows` so that the first few show most: their participant ids.

    The diagnoses of first scans take turns, unknown ones last; within one, subjects with three
    sessions lead, of which one can be interpolated, then those with two; then a hash of the name
    decides, whoever else is in the table.
    """
    ordered = rows.sort_values(["participant_id", "months", "session_id"])
    first = ordered.drop_duplicates("participant_id").set_index("participant_id")
    visits = ordered.groupby("participant_id")["months"].nunique()
    listed = pd.DataFrame(
        {
            "diagnosis": first["diagnosis"],
            "lacking": FOR_A_TRIPLET - visits.clip(upper=FOR_A_TRIPLET),
            "digest": [hashlib.sha256(name.encode()).hexdigest() for name in first.index],
        }
    ).sort_values(["lacking", "digest"])
    turn = listed.groupby("diagnosis", dropna=False).cumcount()
    rounds = listed.assign(turn=turn).sort_values(["turn", "diagnosis"])
    return [str(name) for name in rounds.index]


def as_fit(subjects: Iterable[Subject], room: int, *, most: int | None = None) -> Iterator[Subject]:
    """The first subjects, `most` of them, that fit into `room` bytes together; none after that."""
    for count, subject in enumerate(subjects, start=1):
        room -= subject.size
        if room < 0:
            return
        yield subject
        if count == most:
            return
