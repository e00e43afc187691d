from datetime import date

import pytest

from ldae.adni.participants import Visit, describe_participants, parse_diagnosis, visit_months
from ldae.adni.tables import StudyTables


def merge_row(**changes):
    row = {
        "PTID": "002_S_0295",
        "RID": "295",
        "VISCODE": "bl",
        "EXAMDATE": "2006-04-18",
        "EXAMDATE_bl": "2006-04-18",
        "DX": "CN",
        "AGE": "84.8",
        "PTGENDER": "Male",
    }
    return row | changes


def dx_row(**changes):
    row = {
        "PTID": None,
        "RID": "0295",
        "VISCODE2": "m12",
        "EXAMDATE": "2007-05-01",
        "DIAGNOSIS": "2",
    }
    return row | changes


@pytest.mark.parametrize(
    ("text", "diagnosis"),
    [
        ("CN", "CN"),
        ("NL", "CN"),
        ("SMC", "CN"),
        ("EMCI", "MCI"),
        ("Dementia", "AD"),
        ("MCI to Dementia", "AD"),
        ("Dementia to MCI", "MCI"),
        ("Patient", None),
        (None, None),
    ],
)
def test_diagnoses_in_words_become_three_classes(text, diagnosis):
    assert parse_diagnosis(text) == diagnosis


@pytest.mark.parametrize(
    ("code", "months"),
    [("bl", 0), ("sc", 0), ("m06", 6), ("M120", 120), ("v11", None), ("y1", None), (None, None)],
)
def test_only_codes_that_mean_months_by_themselves_count(code, months):
    assert visit_months(code) == months


def test_tables_join_by_number_whatever_its_spelling():
    tables = StudyTables(
        adnimerge=(merge_row(), merge_row(VISCODE="m12", EXAMDATE="2007-05-01", DX=None)),
        dxsum=(dx_row(), dx_row(RID="295.0", VISCODE2="m24", EXAMDATE="2008-04-30", DIAGNOSIS="3")),
    )
    assert list(describe_participants(tables)) == [295]
    person = describe_participants(tables)[295]
    assert person.visits == (
        Visit(date(2006, 4, 18), 0, "CN", "ADNIMERGE"),
        Visit(date(2007, 5, 1), 12, None, "ADNIMERGE"),
        Visit(date(2007, 5, 1), 12, "MCI", "DXSUM"),
        Visit(date(2008, 4, 30), 24, "AD", "DXSUM"),
    )
    assert (person.baseline, person.age_at_baseline) == (date(2006, 4, 18), 84.8)
    assert (person.sex, person.sex_source) == ("M", "ADNIMERGE")


def test_without_adnimerge_the_baseline_is_the_first_visit_and_sex_that_of_the_image_list():
    tables = StudyTables(
        dxsum=(dx_row(VISCODE2="bl", EXAMDATE="2006-04-18"), dx_row()),
        images=({"Subject": "002_S_0295", "Sex": "F", "Image Data ID": "I1"},),
    )
    person = describe_participants(tables)[295]
    assert (person.baseline, person.age_at_baseline) == (date(2006, 4, 18), None)
    assert (person.sex, person.sex_source) == ("F", "image list")


def test_undated_visits_and_unknown_diagnoses_say_nothing():
    tables = StudyTables(dxsum=(dx_row(EXAMDATE=None), dx_row(DIAGNOSIS="9")))
    assert [visit.diagnosis for visit in describe_participants(tables)[295].visits] == [None]
