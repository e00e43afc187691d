from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.cohort.clinic import CONVERSION, enrol
from ldae.config import Synthetic
from ldae.errors import UserError

PLAN: dict[str, Any] = {
    "subjects": {"CN": 4, "MCI": 3, "AD": 2},
    "visit_months": (0, 6, 12, 24),
    "visits_per_subject": (2, 4),
    "voxel_mm": 4.0,
    "traps": False,
}


def plan(**changes: Any) -> Synthetic:
    return Synthetic.model_validate(PLAN | changes)


@given(
    seed=st.integers(0, 2**40),
    fewer=st.tuples(*[st.integers(0, 3)] * 3).filter(any),
    more=st.tuples(*[st.integers(0, 3)] * 3),
)
def test_a_subject_does_not_depend_on_the_others(
    seed: int, fewer: tuple[int, int, int], more: tuple[int, int, int]
) -> None:
    names = ("CN", "MCI", "AD")
    small = enrol(plan(subjects=dict(zip(names, fewer, strict=True))), seed=seed)
    grown = [a + b for a, b in zip(fewer, more, strict=True)]
    large = enrol(plan(subjects=dict(zip(names, grown, strict=True))), seed=seed)
    assert set(small) <= set(large)
    assert len({subject.rid for subject in large}) == sum(grown)
    assert [subject.rid for subject in large] == sorted(subject.rid for subject in large)


@given(seed=st.integers(0, 10_000))
def test_visits_are_plausible(seed: int) -> None:
    for subject in enrol(plan(), seed=seed):
        visits = subject.visits
        assert 2 <= len(visits) <= 4
        assert [visit.months for visit in visits] == [0, 6, 12, 24][: len(visits)]
        assert visits[0].scan_date < visits[0].exam_date
        for visit in visits:
            days = (visit.scan_date - visits[0].exam_date).days
            assert visit.age == pytest.approx(subject.baseline_age + days / 365.25)
            assert abs(days / 30.4375 - visit.months) < 2.5
            assert 0 <= visit.mmse <= 30
            assert 0 <= visit.cortical_loss <= 0.7
            assert 0 <= visit.hippocampal_loss <= 0.85
        dates = [visit.scan_date for visit in visits]
        assert dates == sorted(set(dates))
        assert len({visit.exam_date for visit in visits}) == len(visits)
        severity = [visit.severity for visit in visits]
        assert severity == sorted(severity)


def test_only_a_severe_mild_impairment_becomes_alzheimers() -> None:
    subjects = enrol(plan(subjects={"CN": 40, "MCI": 80, "AD": 40}), seed=3)
    converted = 0
    for subject in subjects:
        for visit in subject.visits:
            severe = visit.severity > CONVERSION and visit.index > 0
            becomes = subject.enrolled_as == "MCI" and severe
            converted += becomes
            assert visit.diagnosis == ("AD" if becomes else subject.enrolled_as)
    assert converted


def test_disease_and_age_show_in_the_anatomy() -> None:
    visits = [
        subject.visits[0]
        for subject in enrol(plan(subjects={"CN": 300, "MCI": 300, "AD": 300}), seed=1)
    ]
    push = {
        name: np.mean([visit.ventricle_push for visit in visits if visit.diagnosis == name])
        for name in ("CN", "MCI", "AD")
    }
    assert push["CN"] + 0.8 < push["MCI"] < push["AD"] - 0.8
    healthy = [visit for visit in visits if visit.diagnosis == "CN"]
    ages = [visit.age for visit in healthy]
    assert np.corrcoef(ages, [visit.ventricle_push for visit in healthy])[0, 1] > 0.35
    assert np.corrcoef(ages, [visit.white_signal for visit in healthy])[0, 1] < -0.6


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"subjects": {"CN": 0}}, "synthetic.subjects"),
        ({"subjects": {}}, "synthetic.subjects"),
        ({"visit_months": (6, 12), "visits_per_subject": (1, 2)}, "synthetic.visit_months"),
        ({"visit_months": (0, 12, 12), "visits_per_subject": (1, 2)}, "synthetic.visit_months"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=key):
        enrol(plan(**changes), seed=0)


def test_one_subject_with_one_visit_is_a_cohort() -> None:
    (subject,) = enrol(
        plan(subjects={"AD": 1}, visit_months=(0,), visits_per_subject=(1, 1)), seed=0
    )
    assert subject.enrolled_as == "AD"
    assert len(subject.visits) == 1
