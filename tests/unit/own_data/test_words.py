import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.own_data.words import (
    diagnosis_at_enrolment,
    diagnosis_of,
    in_natural_order,
    label,
    months_of,
    subject_name,
)


@pytest.mark.parametrize(
    ("words", "diagnosis"),
    [
        ("CN", "CN"),
        ("NL", "CN"),
        (" healthy control", "CN"),
        ("EMCI", "MCI"),
        ("Mild Cognitive Impairment", "MCI"),
        ("Dementia", "AD"),
        ("Alzheimer's disease", "AD"),
        ("MCI to Dementia", "AD"),
        ("Dementia to MCI", "MCI"),
        ("FTD", None),
        ("2", None),
        (None, None),
    ],
)
def test_words_for_a_diagnosis(words, diagnosis):
    assert diagnosis_of(words) == diagnosis


@pytest.mark.parametrize(
    ("words", "diagnosis"), [("LMCI", "LMCI"), ("smc", "SMC"), ("Dementia", "AD"), (None, None)]
)
def test_words_for_the_group_at_enrolment(words, diagnosis):
    assert diagnosis_at_enrolment(words) == diagnosis


@pytest.mark.parametrize(
    ("session", "months"),
    [("ses-M012", 12), ("m6", 6), ("M126", 126), ("bl", 0), ("baseline", 0), ("Month 24", 24),
     ("01", None), ("y1", None), ("2011-03-14", None), (None, None)],
)  # fmt: skip
def test_months_that_a_session_is_named_by(session, months):
    assert months_of(session) == months


@pytest.mark.parametrize(
    ("text", "name"),
    [("sub-01", "01"), ("01", "01"), ("002_S_0295", "ADNI002S0295"), ("a_S_1", "a_S_1")],
)
def test_a_subject_has_one_name(text, name):
    assert subject_name(text) == name


@given(st.sets(st.text("aA1_-é", max_size=5), max_size=30))
def test_labels_are_valid_and_no_two_alike(names):
    labels = label(names)
    assert set(labels) == names
    assert len({text.lower() for text in labels.values()}) == len(names)
    assert all(text.isalnum() and text.isascii() for text in labels.values())
    valid = {name for name in names if name.isalnum() and name.isascii()}
    if len({name.lower() for name in valid}) == len(valid):
        assert all(labels[name] == name for name in valid)


@given(st.lists(st.text("ab0129_"), max_size=20))
def test_any_texts_have_an_order(texts):
    sorted(texts, key=in_natural_order)
    assert in_natural_order("run-2") < in_natural_order("run-10")
    assert in_natural_order("s_T1w") < in_natural_order("s_acq-a_T1w")
