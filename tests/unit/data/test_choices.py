import itertools
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.data.choices import PLACES, all_triplets, at_most, first_visits, gap_class

VISITS = st.dictionaries(
    st.integers(0, 9).map("sub-{}".format),
    st.lists(st.integers(0, 120), unique=True, max_size=6),
    max_size=5,
)


def scans(visits, diagnosis="CN"):
    rows = [
        {
            "participant_id": participant,
            "session_id": f"ses-M{months:03d}",
            "months": months,
            "diagnosis": diagnosis,
        }
        for participant, every in visits.items()
        for months in every
    ]
    columns = ["participant_id", "session_id", "months", "diagnosis"]
    return pd.DataFrame(rows, columns=columns)


@given(VISITS)
def test_every_session_between_two_others_is_a_triplet(visits):
    rows = scans(visits)
    triplets = all_triplets(rows)
    counts = triplets["participant_id"].value_counts()
    for participant, every in visits.items():
        n = len(every)
        assert counts.get(participant, 0) == n * (n - 1) * (n - 2) // 6
    assert not triplets.duplicated(list(PLACES)).any()
    for triplet in triplets.itertuples():
        start, middle, end = (rows.iloc[getattr(triplet, place)] for place in PLACES)
        assert start["months"] < middle["months"] < end["months"]
        assert {each["participant_id"] for each in (start, middle, end)} == {triplet.participant_id}
        assert triplet.gap_months == end["months"] - start["months"]
        assert 0 < triplet.fraction < 1
        between = start["months"] + triplet.fraction * triplet.gap_months
        assert between == pytest.approx(middle["months"])
        assert triplet.middle_session == middle["session_id"]


def test_two_sessions_of_one_month_make_no_triplet():
    twice = pd.concat([scans({"sub-1": [0, 12]}), scans({"sub-1": [12]})])
    assert all_triplets(twice).empty


@pytest.mark.parametrize(
    ("months", "expected"), [(3, 6), (6, 6), (9, 6), (10, 12), (23, 24), (29, 24), (200, 48)]
)
def test_a_gap_joins_the_nearest_class_and_the_shorter_of_two(months, expected):
    assert gap_class(months, [48, 24, 6, 12]) == expected


def test_too_many_triplets_leave_every_subject_its_turn():
    triplets = all_triplets(scans({f"sub-{i}": range(0, 12 * (3 + i), 12) for i in range(5)}))
    by = ["participant_id", "gap_months"]
    groups = triplets.groupby(by).ngroups
    chosen = at_most(triplets, groups, by=by)
    assert len(chosen) == chosen.groupby(by).ngroups == groups
    fewer = at_most(triplets, 7, by=by)
    assert len(fewer) == 7
    assert at_most(triplets, None, by=by).equals(triplets)
    assert at_most(triplets, 7, by=by).equals(fewer)
    shuffled = at_most(triplets.sample(frac=1, random_state=0), 7, by=by)
    assert set(map(tuple, shuffled.to_numpy())) == set(map(tuple, fewer.to_numpy()))


def test_a_cap_on_triplets_does_not_depend_on_where_scans_stand():
    rows = scans({f"sub-{i}": [0, 6, 12, 24] for i in range(3)})
    names = ["participant_id", *[f"{place}_session" for place in PLACES]]
    one, other = (
        at_most(all_triplets(each), 5, by=["participant_id"])[names]
        for each in (rows, rows.iloc[::-1])
    )
    assert one.equals(other)


@given(VISITS, st.integers(1, 6))
def test_subjects_are_taken_by_their_first_visit(visits, most):
    rows = scans(visits)
    taken = first_visits(rows, most)
    present = {name: min(every) for name, every in visits.items() if every}
    assert len(taken) == min(most, len(present))
    assert taken["participant_id"].is_unique
    assert taken["participant_id"].is_monotonic_increasing
    assert (taken["months"] == taken["participant_id"].map(present)).all()
    assert len(first_visits(rows, None)) == len(present)


def test_diagnoses_take_turns_and_newcomers_displace_few():
    many = {f"sub-{i:02d}": [0, 12] for i in range(20)}
    rows = scans(many)
    rows["diagnosis"] = [("CN", "CN", "CN", "AD")[i // 2 % 4] for i in range(len(rows))]
    taken = first_visits(rows, 6)
    assert Counter(taken["diagnosis"]) == {"CN": 3, "AD": 3}
    more = pd.concat([rows, scans({"sub-99": [0]})], ignore_index=True)
    kept = set(first_visits(more, 6)["participant_id"]) & set(taken["participant_id"])
    assert len(kept) >= 5


def test_subjects_without_a_diagnosis_are_not_left_out():
    rows = scans({"sub-1": [0], "sub-2": [0]}, diagnosis=None)
    assert len(first_visits(rows, 1)) == 1
    assert len(first_visits(rows, None)) == 2


def test_positions_are_those_of_the_table_given():
    rows = scans({"sub-1": [24, 0, 12]})
    rows.index = [7, 8, 9]
    (triplet,) = all_triplets(rows).itertuples()
    found = [int(rows.iloc[getattr(triplet, place)]["months"]) for place in PLACES]
    assert found == sorted(itertools.chain(found)) == [0, 12, 24]
