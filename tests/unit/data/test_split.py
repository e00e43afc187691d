"""A subject's side depends on the subject and the seed alone."""

import logging
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.config import Split
from ldae.data.split import SIDES, assign_split, side_of
from ldae.errors import UserError

PAPER = Split(validation=0.05, test=0.10)
DEMO = Split(validation=0.15, test=0.30)
NAMES = st.integers(0, 9999).map("sub-ADNI{:04d}".format)


def table(names, *, visits=(0, 12), diagnoses=("CN", "MCI", "AD", None)):
    return pd.DataFrame(
        [
            {
                "participant_id": name,
                "months": months,
                "diagnosis": diagnoses[int(name[-4:]) % len(diagnoses)],
            }
            for name in names
            for months in visits
        ]
    )


def sides(names, seed=0, split=DEMO):
    scans = table(names)
    return dict(zip(scans["participant_id"], assign_split(scans, split, seed=seed), strict=True))


FILLERS = [f"sub-FILL{number:04d}" for number in range(40)]  # some of them train, whatever the seed


@given(st.sets(NAMES, max_size=40), st.sets(NAMES, max_size=40), st.integers(0, 99))
def test_nobody_changes_sides_when_subjects_come_and_go(before, after, seed):
    first, second = sides({*before, *FILLERS}, seed), sides({*after, *FILLERS}, seed)
    assert all(first[name] == second[name] for name in before & after)


@given(st.sets(NAMES, max_size=40), st.integers(0, 99))
def test_all_visits_of_a_subject_are_on_one_side(names, seed):
    scans = table({*names, *FILLERS}, visits=(0, 6, 24))
    assigned = scans.assign(side=assign_split(scans, DEMO, seed=seed))
    assert (assigned.groupby("participant_id")["side"].nunique() == 1).all()
    assert set(assigned["side"]) <= set(SIDES)


@given(st.permutations(FILLERS))
def test_the_order_of_rows_does_not_matter(names):
    assert sides(names) == sides(FILLERS)


def test_a_new_diagnosis_moves_nobody():
    scans = table(FILLERS)
    again = scans.assign(diagnosis="AD")
    assert assign_split(scans, DEMO, seed=1).equals(assign_split(again, DEMO, seed=1))


@pytest.mark.parametrize("split", [PAPER, DEMO])
@pytest.mark.parametrize("seed", [0, 42])
def test_fractions_converge(split, seed):
    n = 20_000
    counts = Counter(side_of(f"sub-{i}", split, seed=seed) for i in range(n))
    for side, fraction in (("validation", split.validation), ("test", split.test)):
        assert counts[side] / n == pytest.approx(fraction, abs=4 * (0.25 / n) ** 0.5)


def test_another_seed_is_another_split():
    names = [f"sub-{i}" for i in range(200)]
    first, second = ([side_of(name, DEMO, seed=seed) for name in names] for seed in (0, 1))
    assert first != second


def test_a_larger_test_fraction_only_adds_test_subjects():
    small, large = Split(validation=0, test=0.1), Split(validation=0, test=0.3)
    for name in (f"sub-{i}" for i in range(500)):
        if side_of(name, small, seed=3) == "test":
            assert side_of(name, large, seed=3) == "test"


def test_nothing_left_to_train_on_is_an_error():
    only_test = next(
        name for name in FILLERS if side_of(name, Split(validation=0, test=0.9), seed=0) == "test"
    )
    with pytest.raises(UserError, match=r"no subject of 1 is left to train on"):
        assign_split(table([only_test]), Split(validation=0, test=0.9), seed=0)


def test_nothing_left_to_validate_on_is_an_error():
    training = [name for name in FILLERS if side_of(name, DEMO, seed=0) == "train"]
    with pytest.raises(UserError, match=r"validation side.*raise split\.validation"):
        assign_split(table(training), DEMO, seed=0)


def test_a_class_without_test_subjects_is_warned_about(caplog):
    kept = [name for name in FILLERS if side_of(name, DEMO, seed=0) != "test"]
    scans = table(kept, diagnoses=("AD",))
    with caplog.at_level(logging.WARNING):
        assign_split(scans, DEMO, seed=0)
    assert "no test subject with diagnosis AD" in caplog.text


def test_scans_without_diagnosis_are_split_and_not_warned_about(caplog):
    scans = table(FILLERS, diagnoses=(None,))
    with caplog.at_level(logging.INFO):
        assert assign_split(scans, DEMO, seed=0).notna().all()
    assert "without" in caplog.text
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
