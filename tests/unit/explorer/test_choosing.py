"""Every diagnosis is shown early, subjects with most sessions first, and as many as fit."""

import pandas as pd
import pytest

from ldae.explorer.choosing import as_fit, in_turns
from ldae.explorer.content import Subject


def rows_of(*subjects: tuple[str, str | None, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"participant_id": name, "session_id": f"ses-M{m:03d}", "months": m, "diagnosis": d}
            for name, d, visits in subjects
            for m in range(0, 12 * visits, 12)
        ]
    )


def sized(name: str, size: int) -> Subject:
    """A subject of so many bytes."""
    bare = Subject(name, None, None, [])
    return Subject(name, None, None, [], blobs={"x": "x" * (size - bare.size - 61)})


def test_diagnoses_take_turns_and_unknown_ones_come_last() -> None:
    rows = rows_of(
        *[(f"sub-{d}{i}", d, 3) for d in ("MCI", "CN", "AD") for i in range(3)], ("sub-x", None, 3)
    )
    kinds = rows.drop_duplicates("participant_id").set_index("participant_id")["diagnosis"]
    shown = [kinds[name] for name in in_turns(rows)]
    assert shown[:3] == ["AD", "CN", "MCI"]
    assert pd.isna(shown[3])
    assert shown[4:7] == ["AD", "CN", "MCI"]


def test_those_with_a_session_in_the_middle_lead() -> None:
    rows = rows_of(*[(f"sub-{i}", "AD", 1 + i % 4) for i in range(12)])
    visits = rows.groupby("participant_id")["months"].size().clip(upper=3)
    shown = [int(visits[name]) for name in in_turns(rows)]
    assert shown == sorted(shown, reverse=True)


def test_order_does_not_depend_on_who_else_is_there() -> None:
    rows = rows_of(*[(f"sub-{i}", "AD", 2) for i in range(9)])
    some = rows[rows["participant_id"].isin([f"sub-{i}" for i in range(4)])]
    among = [name for name in in_turns(rows) if name in set(some["participant_id"])]
    assert in_turns(some.sample(frac=1, random_state=0)) == among


@pytest.mark.parametrize(("room", "count"), [(1199, 2), (1200, 3), (10**6, 4)])
def test_as_many_as_fit(room: int, count: int) -> None:
    subjects = [sized(f"s{i}", 400) for i in range(4)]
    assert all(each.size == 400 for each in subjects)
    assert len(list(as_fit(subjects, room))) == count


def test_no_more_than_asked_are_made() -> None:
    made = []

    def making():
        for i in range(5):
            made.append(i)
            yield sized(f"s{i}", 400)

    assert [each.participant_id for each in as_fit(making(), 10**6, most=2)] == ["s0", "s1"]
    assert made == [0, 1]


def test_what_does_not_fit_ends_it() -> None:
    subjects = [sized("s0", 300), sized("s1", 900), sized("s2", 300)]
    assert [each.participant_id for each in as_fit(subjects, 1000)] == ["s0"]
