from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.clinical_visits import Visit
from ldae.adni.participants import Participant
from ldae.adni.visits import (
    AGE_SOURCES,
    AtScan,
    DiagnosisAtScan,
    Months,
    age_at,
    diagnosis_at,
    month_zero,
    months_at,
)
from ldae.config import Matching

BASELINE = date(2006, 4, 18)
RULE = Matching(near_days=90, distant_days=183, bracket_days=400)
CONT = "ADNI3 Initial Visit-Cont Pt"


def day(number):
    return BASELINE + timedelta(number)


def visit(number, months=None, diagnosis=None, source="ADNIMERGE"):
    return Visit(day(number), months, diagnosis, source, diagnosis)


def person(*visits, **known):
    """A participant of whom ADNIMERGE knows the baseline, at 75 years, and visits in any order."""
    dated = tuple(sorted(visits, key=lambda visit: (visit.date, visit.source)))
    return replace(Participant(dated, BASELINE, "ADNI1", 75.0), **known)


def session(number, who, label=None):
    return months_at(day(number), who, first_scan=BASELINE, visit=label)


def months(number, who, label=None):
    return session(number, who, label).value


def diagnosis(number, who, rule=RULE):
    return diagnosis_at(day(number), who, rule)


class TestCases:
    """Cases 5, 6, 7 and 14 of the notes on ADNI, §9."""

    @pytest.mark.parametrize(
        ("exam", "code", "expected"),
        [(3840, 126, 126), (3950, 132, 132), (3740, 126, 126), (4600, 150, 128)],
        ids=["at m126", "at m132", "months after m126", "far from any"],
    )
    @pytest.mark.parametrize("label", [None, CONT, "ADNI3 Year 1 Visit", "ADNI Baseline", "101"])
    def test_5_who_rolled_over_is_placed_by_date(self, exam, code, expected, label):
        who = person(visit(0, 0), visit(exam, code))
        assert months(round(128 * 30.4375), who, label) == expected

    def test_6_a_screening_scan_belongs_to_the_baseline(self):
        who = person(visit(0, 0, "CN"), visit(180, 6, "MCI"))
        for label in (None, "ADNI Screening", "sc"):
            assert months(-41, who, label) == 0
        assert age_at(day(-41), who, stated={}) == AtScan(74.89, "ADNIMERGE", 41)
        assert diagnosis(-41, who) == DiagnosisAtScan("CN", "ADNIMERGE", 41, raw="CN")

    def test_7_a_blank_visit_between_equal_diagnoses_is_bracketed(self):
        who = person(visit(365, 12, "CN"), visit(731, 24), visit(1096, 36, "CN"))
        expected = DiagnosisAtScan("CN", "bracketed", -361, ("diagnosis_bracketed",), "CN")
        assert diagnosis(726, who) == expected

    def test_7_a_blank_visit_between_different_ones_stays_unknown(self):
        who = person(visit(365, 12, "CN"), visit(731, 24), visit(1096, 36, "MCI"))
        assert diagnosis(731, who) == DiagnosisAtScan(None, "ADNIMERGE", 365, raw="MCI")

    def test_7_reversions_stay_as_they_are(self):
        who = person(visit(365, 12, "AD"), visit(731, 24, "MCI"))
        assert diagnosis(731, who).value == "MCI"
        assert diagnosis(731, who).flags == ("diagnosis_reverted",)

    def test_14_a_visit_240_days_away_says_nothing(self):
        who = person(visit(0, 0, "CN"))
        assert diagnosis(240, who) == DiagnosisAtScan(None, "ADNIMERGE", -240, raw="CN")
        assert months(240, who) == 6
        assert age_at(day(240), who, stated={}) == AtScan(75.66, "ADNIMERGE", -240)

    def test_14_who_is_in_no_table_is_placed_by_scans_and_has_no_diagnosis(self):
        nobody = Participant()
        assert session(0, nobody) == Months(0, "first scan", ("baseline_unknown",))
        assert session(366, nobody) == Months(12, "first scan", ("baseline_unknown",))
        assert diagnosis(0, nobody) == DiagnosisAtScan()
        assert age_at(BASELINE, nobody, stated={}) == AtScan()


def test_a_session_far_from_every_visit_is_placed_by_time_since_baseline():
    who = person(visit(0, 0))
    placed = [session(round(m * 30.4375), who) for m in (5, 13, 22, 30, 128)]
    assert [each.value for each in placed] == [6, 12, 24, 30, 128]
    assert {each.source for each in placed} == {"baseline date"}


def test_a_late_visit_keeps_its_code():
    who = person(visit(0, 0), visit(490, 12))
    assert session(480, who) == Months(12, "ADNIMERGE")


def test_the_name_of_a_visit_settles_what_dates_leave_open():
    who = person(visit(0, 0), visit(183, 6))
    assert session(95, who) == Months(6, "ADNIMERGE")
    assert session(95, who, "ADNI2 Month 3 MRI-New Pt") == Months(3, "visit label")
    assert session(300, person(visit(0, 0)), "ADNI1/GO Month 6") == Months(6, "visit label")


@pytest.mark.parametrize("label", ["ADNI1/GO Month 36", "ADNI Screening", "m06"])
def test_the_name_of_a_visit_never_overrides_the_date(label):
    assert months(732, person(visit(0, 0)), label) == 24
    assert months(732, person(visit(0, 0), visit(732, 24)), label) == 24


def test_years_of_a_phase_count_only_for_those_who_entered_in_it():
    assert months(800, person(entered="ADNI3"), "ADNI3 Year 2 Visit") == 24
    assert session(800, person(entered="ADNI3"), "ADNI3 Year 2 Visit").source == "visit label"
    assert session(800, person(), "ADNI3 Year 2 Visit").source == "baseline date"


def test_an_exam_whose_date_contradicts_its_code_places_nothing():
    who = person(visit(0, 0), visit(10, 12), visit(731, 24), visit(40000, 36), visit(-4000, 48))
    assert [months(number, who) for number in (8, 365, 731, 1096, 1461)] == [0, 12, 24, 36, 48]


def test_without_tables_the_names_of_all_scans_tell_where_months_begin():
    scans = [(day(1096), "ADNI1/GO Month 36"), (day(1826), "ADNI2 Year 1 Visit")]
    nobody = Participant()
    zero = month_zero(scans, nobody)
    assert abs((zero - BASELINE).days) <= 1
    placed = [months_at(scan, nobody, first_scan=zero, visit=label) for scan, label in scans]
    assert [each.value for each in placed] == [36, 60]
    assert [each.source for each in placed] == ["visit label", "first scan"]
    assert month_zero([(day(9), None), (day(7), "v11")], nobody) == day(7)


@given(st.lists(st.integers(0, 8000), min_size=2, max_size=2).map(sorted))
def test_later_scans_are_never_in_earlier_sessions(days):
    first, second = (months(number, person()) for number in days)
    assert first <= second
    assert abs(first - days[0] / 30.4375) <= 3


@pytest.mark.parametrize(
    ("distance", "value", "flags"),
    [
        (0, "MCI", ()),
        (90, "MCI", ()),
        (-90, "MCI", ()),
        (91, "MCI", ("diagnosis_distant",)),
        (-183, "MCI", ("diagnosis_distant",)),
        (184, None, ()),
        (-184, None, ()),
    ],
)
def test_a_diagnosis_counts_up_to_its_limits(distance, value, flags):
    who = person(visit(1000 + distance, 36, "MCI"), enrolled_as="LMCI")
    expected = DiagnosisAtScan(value, "ADNIMERGE", distance, flags, "MCI", "LMCI")
    assert diagnosis(1000, who) == expected


def test_the_limits_are_those_of_the_settings():
    who = person(visit(0, 0, "CN"))
    strict = Matching(near_days=10, distant_days=20, bracket_days=0)
    found = [diagnosis(number, who, strict) for number in (10, 20, 21)]
    assert [each.value for each in found] == ["CN", "CN", None]
    assert [each.flags for each in found] == [(), ("diagnosis_distant",), ()]


def test_the_nearest_stated_diagnosis_wins_and_of_two_the_earlier():
    who = person(visit(70, 3, "CN"), visit(100, 3), visit(130, 6, "MCI", "DXSUM"))
    assert diagnosis(100, who) == DiagnosisAtScan("CN", "ADNIMERGE", -30, raw="CN")


def test_on_the_same_day_adnimerge_counts_and_disagreement_is_flagged():
    both = person(visit(0, 0, "CN"), visit(0, 0, "CN", "DXSUM"))
    assert (diagnosis(0, both).source, diagnosis(0, both).flags) == ("ADNIMERGE", ())
    differing = person(visit(0, 0, "CN"), visit(0, 0, "MCI", "DXSUM"))
    assert diagnosis(0, differing).value == "CN"
    assert diagnosis(0, differing).flags == ("diagnosis_sources_differ",)
    filled = person(visit(0, 0), visit(0, 0, "MCI", "DXSUM"))
    assert diagnosis(0, filled) == DiagnosisAtScan("MCI", "DXSUM", 0, raw="MCI")


def test_a_blank_visit_with_a_diagnosis_on_one_side_leaves_it_distant():
    who = person(visit(0, 0, "CN"), visit(150, 6))
    assert diagnosis(150, who).flags == ("diagnosis_distant",)


def test_between_a_distant_pair_only_a_blank_visit_makes_it_doubtful():
    around = (visit(0, 0, "CN"), visit(350, 12, "MCI"))
    assert diagnosis(150, person(*around)).value == "CN"
    assert diagnosis(150, person(*around, visit(160, 6))).value is None
    assert diagnosis(150, person(*around, visit(160, 6, source="REGISTRY"))).value == "CN"


@pytest.mark.parametrize(
    ("before", "after", "rule", "value"),
    [
        (-400, 400, RULE, "CN"),
        (-401, 400, RULE, None),
        (-400, 401, RULE, None),
        (-200, 200, RULE, "CN"),
        (-200, 200, RULE.model_copy(update={"bracket_days": 0}), None),
    ],
)
def test_brackets_have_a_limit_on_both_sides(before, after, rule, value):
    who = person(visit(1000 + before, None, "CN"), visit(1000 + after, None, "CN"))
    assert diagnosis(1000, who, rule).value == value


@pytest.mark.parametrize(
    ("history", "reverted"),
    [
        (["CN", "MCI", "AD"], [False, False, False]),
        (["MCI", "AD", "MCI"], [False, True, True]),
        (["AD", "MCI", "CN"], [True, True, True]),
        (["CN", "AD", "MCI", "AD"], [False, True, True, False]),
    ],
)
def test_both_sides_of_a_reversion_are_flagged(history, reverted):
    who = person(*(visit(365 * year, 12 * year, dx) for year, dx in enumerate(history)))
    found = [diagnosis(365 * year, who) for year in range(len(history))]
    assert [each.value for each in found] == history
    assert ["diagnosis_reverted" in each.flags for each in found] == reverted


def test_ages_come_from_the_best_source():
    who = person(born=date(1931, 4, 15), age_at_entry=75.2, entry=day(-30))
    at_scan = day(366)
    stated = {"metadata": 76.0123, "search list": 76.1, "collection list": 76, "image header": 76}
    best = []
    for known in (who, replace(who, age_at_baseline=None)):
        for given_ages in (stated, {k: v for k, v in stated.items() if k != "metadata"}):
            best.append(age_at(at_scan, known, stated=given_ages))
    assert best == [
        AtScan(76.01, "metadata", 0),
        AtScan(76.0, "ADNIMERGE", -366),
        AtScan(76.01, "metadata", 0),
        AtScan(76.01, "PTDEMOG", 0),
    ]
    entry_only = Participant(age_at_entry=75.2, entry=day(-30))
    assert age_at(at_scan, entry_only, stated=stated | {"metadata": 0}) == AtScan(
        76.28, "STUDY_ENTRY", -396
    )
    assert age_at(at_scan, Participant(), stated={"search list": 76.1, "image header": 76}) == (
        AtScan(76.1, "search list", 0)
    )


def test_an_age_at_entry_without_date_counts_from_the_baseline():
    who = Participant(baseline=BASELINE, age_at_entry=75.2)
    assert age_at(day(366), who, stated={}) == AtScan(76.2, "STUDY_ENTRY", -366)


@pytest.mark.parametrize("age", [0, 44.99, 105.01, 999])
def test_an_implausible_age_does_not_count(age):
    assert age_at(BASELINE, Participant(), stated={"metadata": age}) == AtScan()
    assert age_at(BASELINE, person(), stated={"metadata": age}) == AtScan(75.0, "ADNIMERGE", 0)


@pytest.mark.parametrize(
    ("header", "differ"), [(74, False), (76, False), (76.01, True), (73.9, True), (4, False)]
)
def test_sources_more_than_a_year_apart_are_flagged(header, differ):
    found = age_at(BASELINE, person(), stated={"image header": header})
    assert found == AtScan(75.0, "ADNIMERGE", 0, ("age_sources_differ",) if differ else ())


@given(st.integers(-180, 5000))
def test_age_advances_with_the_scan(number):
    result = age_at(day(number), person(), stated={})
    assert result.value == pytest.approx(75 + number / 365.25, abs=0.006)
    assert result.offset_days == -number


def test_an_unknown_source_of_ages_is_an_error():
    with pytest.raises(ValueError, match="not in tuple"):
        age_at(BASELINE, Participant(), stated={"rumour": 70})


NUMBERS = st.integers(-300, 4000)
VISITS = st.lists(
    st.builds(
        visit,
        NUMBERS,
        st.none() | st.integers(0, 132),
        st.sampled_from(["CN", "MCI", "AD", None]),
        st.sampled_from(["ADNIMERGE", "DXSUM", "REGISTRY"]),
    ),
    max_size=8,
)
LABELS = st.sampled_from([None, "ADNI Screening", "ADNI1/GO Month 12", "v11", CONT, "y2", "7"])
PEOPLE = st.builds(
    lambda visits, **known: person(*visits, **known),
    VISITS,
    baseline=st.none() | NUMBERS.map(day),
    entered=st.sampled_from([None, "ADNI1", "ADNI2", "ADNI3"]),
    age_at_baseline=st.none() | st.floats(40, 110),
    born=st.none() | st.dates(date(1900, 1, 1), date(1980, 12, 31)),
)
RULES = st.builds(
    lambda near, more, bracket: Matching(
        near_days=near, distant_days=near + more, bracket_days=bracket
    ),
    st.integers(1, 200),
    st.integers(0, 200),
    st.integers(0, 500),
)
AGES = st.dictionaries(st.sampled_from(AGE_SOURCES), st.floats(0, 200))


@given(NUMBERS, PEOPLE, RULES)
def test_a_diagnosis_is_never_taken_from_beyond_its_limit(number, who, rule):
    found = diagnosis(number, who, rule)
    stated = [exam for exam in who.visits if exam.diagnosis]
    assert (found.source is None) == (not stated)
    if found.offset_days is None:
        return
    nearest = min(abs((exam.date - day(number)).days) for exam in stated)
    assert abs(found.offset_days) == nearest
    if "diagnosis_bracketed" in found.flags:
        assert rule.near_days < nearest <= rule.bracket_days
    elif found.value is not None:
        assert nearest <= rule.distant_days
        assert ("diagnosis_distant" in found.flags) == (nearest > rule.near_days)
        assert (found.value, found.offset_days) in {
            (exam.diagnosis, (exam.date - day(number)).days) for exam in stated
        }
    else:
        assert nearest > rule.near_days


@given(NUMBERS, PEOPLE, LABELS)
def test_months_are_never_negative_and_never_far_from_the_date(number, who, label):
    placed = session(number, who, label)
    assert placed.value >= 0
    if who.baseline:
        elapsed = (day(number) - who.baseline).days / 30.4375
        # at most 90 days from an exam, which is at most 6 months from its code
        assert elapsed < 0 or abs(placed.value - elapsed) <= 6 + 90 / 30.4375


@given(NUMBERS, PEOPLE, AGES)
def test_ages_are_plausible_or_missing(number, who, stated):
    found = age_at(day(number), who, stated=stated)
    assert found.value is None or 45 <= found.value <= 105
    assert (found.value is None) == (found.source is None) == (found.offset_days is None)


@given(NUMBERS, PEOPLE, LABELS, AGES, st.integers(-2000, 2000).map(timedelta))
def test_shifting_all_dates_changes_nothing(number, who, label, stated, shift):
    def shifted(moment):
        return moment and moment + shift

    moved = replace(
        who,
        visits=tuple(replace(exam, date=exam.date + shift) for exam in who.visits),
        baseline=shifted(who.baseline),
        born=shifted(who.born),
    )
    scan = day(number)
    for here, there in (
        (diagnosis_at(scan, who, RULE), diagnosis_at(scan + shift, moved, RULE)),
        (age_at(scan, who, stated=stated), age_at(scan + shift, moved, stated=stated)),
        (
            months_at(scan, who, first_scan=BASELINE, visit=label),
            months_at(scan + shift, moved, first_scan=BASELINE + shift, visit=label),
        ),
    ):
        assert here == there
