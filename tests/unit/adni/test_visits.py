from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.participants import Participant, Visit
from ldae.adni.visits import AtScan, age_at, diagnosis_at, months_at

BASELINE = date(2006, 4, 18)


def visit(day, months=None, diagnosis=None, source="ADNIMERGE"):
    return Visit(BASELINE + timedelta(day), months, diagnosis, source)


def person(*visits, age=75.0):
    return Participant(tuple(visits), BASELINE, age, "F", "ADNIMERGE")


def months(day, who):
    return months_at(BASELINE + timedelta(day), who, first_scan=BASELINE)


def test_a_screening_scan_belongs_to_the_baseline_visit():
    who = person(visit(0, 0, "CN"), visit(180, 6, "MCI"))
    scan = BASELINE - timedelta(41)
    assert months_at(scan, who, first_scan=scan) == 0
    assert age_at(scan, who, listed=None, stored=None) == AtScan(74.89, "ADNIMERGE", 41)
    assert diagnosis_at(scan, who) == AtScan("CN", "ADNIMERGE", 41)


def test_a_participant_who_rolled_over_is_placed_by_date():
    who = person(visit(0, 0), visit(3840, 126))
    assert months(3896, who) == 126


def test_a_session_far_from_every_visit_is_placed_by_time_since_baseline():
    who = person(visit(0, 0))
    assert [months(round(m * 30.4375), who) for m in (5, 13, 22, 30, 128)] == [
        6,
        12,
        24,
        30,
        128,
    ]


def test_without_tables_time_counts_from_the_first_scan():
    assert months(0, Participant()) == 0
    assert months(366, Participant()) == 12


@given(st.lists(st.integers(0, 8000), min_size=2, max_size=2).map(sorted))
def test_later_scans_are_never_in_earlier_sessions(days):
    first, second = (months(day, person()) for day in days)
    assert first <= second
    assert abs(first - days[0] / 30.4375) <= 3


@pytest.mark.parametrize(
    ("distance", "expected"), [(0, "MCI"), (90, "MCI"), (183, "MCI"), (184, None), (-184, None)]
)
def test_a_diagnosis_counts_up_to_183_days(distance, expected):
    who = person(visit(1000 + distance, 36, "MCI"))
    result = diagnosis_at(BASELINE + timedelta(1000), who)
    assert result == AtScan(expected, "ADNIMERGE", distance)


def test_the_nearest_stated_diagnosis_wins_and_of_two_the_earlier():
    who = person(visit(70, 3, "CN"), visit(100, 3), visit(130, 6, "MCI", "DXSUM"))
    scan = BASELINE + timedelta(100)
    assert diagnosis_at(scan, who) == AtScan("CN", "ADNIMERGE", -30)


def test_on_the_same_day_adnimerge_is_named():
    who = person(visit(0, 0, "CN"), visit(0, 0, "CN", "DXSUM"))
    assert diagnosis_at(BASELINE, who).source == "ADNIMERGE"


def test_an_unknown_participant_has_no_diagnosis():
    assert diagnosis_at(BASELINE, Participant()) == AtScan()


def test_age_falls_back_from_list_to_header_to_nothing():
    who = Participant()
    assert age_at(BASELINE, who, listed=74.0, stored=75.0) == AtScan(74.0, "image list", 0)
    assert age_at(BASELINE, who, listed=None, stored=75.0) == AtScan(75.0, "image header", 0)
    assert age_at(BASELINE, who, listed=None, stored=None) == AtScan()


@given(st.integers(-180, 5000))
def test_age_advances_with_the_scan(day):
    result = age_at(BASELINE + timedelta(day), person(), listed=None, stored=None)
    assert result.value == pytest.approx(75 + day / 365.25, abs=0.006)
    assert result.offset_days == -day
