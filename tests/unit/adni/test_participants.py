import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.catalog import CATALOG
from ldae.adni.clinical_visits import Visit, parse_diagnosis
from ldae.adni.participants import describe_participants, parse_birth
from ldae.adni.tables import StudyTables

COLUMNS = {kind.name: dict.fromkeys(kind.columns) for kind in CATALOG}
BASELINE = date(2006, 4, 18)


def rows(table, *changes):
    """Rows of a table in which only what is given is known."""
    subject = "subject" if table == "IMAGE_LIST" else "PTID"
    return tuple(COLUMNS[table] | {subject: "002_S_0295"} | change for change in changes)


def describe(**tables):
    known = describe_participants(
        StudyTables(rows={name: rows(name, *changes) for name, changes in tables.items()})
    )
    assert list(known) == [295]
    return known[295]


def merged(code="bl", day="2006-04-18", dx="CN", **more):
    row = {"VISCODE": code, "EXAMDATE": day, "DX": dx, "EXAMDATE_bl": "2006-04-18"}
    return row | {"AGE": "84.8", "PTGENDER": "Male", "DX_bl": "CN", "ORIGPROT": "ADNI1"} | more


@pytest.mark.parametrize(
    ("text", "diagnosis"),
    [
        ("CN", "CN"),
        ("NL", "CN"),
        ("SMC", "CN"),
        ("EMCI", "MCI"),
        ("LMCI", "MCI"),
        ("Dementia", "AD"),
        ("NL to MCI", "MCI"),
        ("NL to Dementia", "AD"),
        ("MCI to Dementia", "AD"),
        ("Dementia to MCI", "MCI"),
        ("MCI to NL", "CN"),
        ("Stable: NL", "CN"),
        ("Conversion: MCI to Dementia", "AD"),
        ("Reversion: Dementia to MCI", "MCI"),
        ("Patient", None),
        ("", None),
        (None, None),
    ],
)
def test_diagnoses_in_words_become_three_classes(text, diagnosis):
    assert parse_diagnosis(text) == diagnosis


@pytest.mark.parametrize(
    ("column", "text", "diagnosis", "raw"),
    [
        ("DIAGNOSIS", "1", "CN", "DIAGNOSIS=1"),
        ("DIAGNOSIS", "2.0", "MCI", "DIAGNOSIS=2"),
        ("DIAGNOSIS", "Dementia", "AD", "Dementia"),
        ("DIAGNOSIS", "9", None, None),
        ("DXCURREN", "3", "AD", "DXCURREN=3"),
        *[
            ("DXCHANGE", str(code), diagnosis, f"DXCHANGE={code}")
            for code, diagnosis in enumerate(
                ["CN", "MCI", "AD", "MCI", "AD", "AD", "CN", "MCI", "CN"], start=1
            )
        ],
        ("DXCHANGE", "Reversion: MCI to NL", "CN", "Reversion: MCI to NL"),
    ],
)
def test_diagnoses_of_dxsum_old_and_new(column, text, diagnosis, raw):
    person = describe(DXSUM=[{"VISCODE2": "bl", "EXAMDATE": "2006-04-18", column: text}])
    assert person.visits == (Visit(BASELINE, 0, diagnosis, "DXSUM", raw),)


def test_tables_join_by_number_whatever_its_spelling():
    dxsum = {"PTID": None, "VISCODE2": "m12", "EXAMDATE": "2007-05-01", "DIAGNOSIS": "2"}
    person = describe(
        ADNIMERGE=[merged(RID="295"), merged("m12", "2007-05-01", None)],
        DXSUM=[
            dxsum | {"RID": "0295"},
            dxsum | {"RID": "295.0", "VISCODE2": "m24", "EXAMDATE": "2008-04-30", "DIAGNOSIS": "3"},
        ],
    )
    assert person.visits == (
        Visit(BASELINE, 0, "CN", "ADNIMERGE", "CN"),
        Visit(date(2007, 5, 1), 12, None, "ADNIMERGE"),
        Visit(date(2007, 5, 1), 12, "MCI", "DXSUM", "DIAGNOSIS=2"),
        Visit(date(2008, 4, 30), 24, "AD", "DXSUM", "DIAGNOSIS=3"),
    )
    assert (person.baseline, person.age_at_baseline) == (BASELINE, 84.8)
    assert (person.sex, person.sex_source) == ("M", "ADNIMERGE")
    assert (person.entered, person.enrolled_as) == ("ADNI1", "CN")


def test_a_row_without_number_is_nobody():
    tables = {"DXSUM": rows("DXSUM", {"PTID": None, "RID": None, "DIAGNOSIS": "1"})}
    assert describe_participants(StudyTables(rows=tables)) == {}


def test_five_digits_of_the_fourth_phase():
    tables = {"DXSUM": rows("DXSUM", {"PTID": "100_S_10029", "RID": None, "DIAGNOSIS": "1"})}
    assert list(describe_participants(StudyTables(rows=tables))) == [10029]


@pytest.mark.parametrize(
    ("tables", "baseline"),
    [
        (
            {"DXSUM": [{"VISCODE2": "sc", "EXAMDATE": "2006-03-01"}]}
            | {"REGISTRY": [{"VISCODE2": "bl", "EXAMDATE": "2006-04-18"}]},
            BASELINE,
        ),
        ({"DXSUM": [{"VISCODE": "v03", "PHASE": "ADNI2", "EXAMDATE": "2006-04-18"}]}, BASELINE),
        (
            {"DXSUM": [{"VISCODE2": "sc", "EXAMDATE": "2006-03-01"}]}
            | {"STUDY_ENTRY": [{"entry_date": "2006-04-18"}]},
            date(2006, 3, 1),
        ),
        ({"STUDY_ENTRY": [{"entry_date": "2006-04-18"}]}, BASELINE),
        ({"DXSUM": [{"VISCODE2": "m12", "EXAMDATE": "2007-04-18"}]}, BASELINE),
        ({"DXSUM": [{"VISCODE": "y1", "PHASE": "ADNI3", "EXAMDATE": "2017-04-18"}]}, None),
        (
            {"ADNIMERGE": [merged(), merged(EXAMDATE_bl="2016-04-18"), merged("m06")]}
            | {"DXSUM": [{"VISCODE2": "bl", "EXAMDATE": "2006-05-02"}]},
            BASELINE,
        ),
    ],
    ids=["baseline", "code", "screening", "entry", "reckoned", "unknown", "most rows"],
)
def test_the_baseline_is_that_of_the_best_witness(tables, baseline):
    assert describe(**tables).baseline == baseline


def test_an_undated_visit_has_the_date_of_its_registration():
    person = describe(
        DXSUM=[
            {"VISCODE2": "m12", "DIAGNOSIS": "2"},
            {"PHASE": "ADNI 3", "VISCODE": "init", "DIAGNOSIS": "3"},
            {"VISCODE2": "m24", "DIAGNOSIS": "3"},
        ],
        REGISTRY=[
            {"VISCODE2": "m12", "VISCODE": "m12", "PHASE": "ADNI1", "EXAMDATE": "2007-05-01"},
            {"VISCODE2": "m132", "VISCODE": "init", "PHASE": "ADNI3", "EXAMDATE": "2017-05-01"},
            {"VISCODE2": "m36", "VISCODE": "m36", "PHASE": "ADNI1"},
        ],
    )
    stated = [(visit.date, visit.diagnosis) for visit in person.visits if visit.diagnosis]
    assert stated == [(date(2007, 5, 1), "MCI"), (date(2017, 5, 1), "AD")]
    assert [visit.diagnosable for visit in person.visits].count(False) == 2


@pytest.mark.parametrize(
    ("tables", "entered"),
    [
        ({"ADNIMERGE": [merged(ORIGPROT="ADNI2")]}, "ADNI2"),
        ({"DXSUM": [{"PHASE": "ADNI3", "VISCODE": "sc"}]}, "ADNI3"),
        ({"DXSUM": [{"PHASE": "ADNI3", "VISCODE": "y1"}]}, None),
        (
            {"PTDEMOG": [{"PHASE": "ADNI1", "VISCODE2": "sc"}]}
            | {"DXSUM": [{"PHASE": "ADNI3", "VISCODE": "init", "VISCODE2": "m120"}]},
            "ADNI1",
        ),
    ],
    ids=["stated", "screened", "cut off", "continued"],
)
def test_the_phase_of_enrolment_is_that_of_the_screening(tables, entered):
    assert describe(**tables).entered == entered


def test_years_of_the_phase_count_for_those_who_entered_in_it():
    visit = {"PHASE": "ADNI3", "VISCODE": "y2", "EXAMDATE": "2020-01-10", "DIAGNOSIS": "1"}
    entry = {"PHASE": "ADNI3", "VISCODE": "bl", "EXAMDATE": "2018-01-10"}
    assert [exam.months for exam in describe(DXSUM=[visit]).visits] == [None]
    assert [exam.months for exam in describe(DXSUM=[visit, entry]).visits] == [0, 24]


@pytest.mark.parametrize(
    ("dob", "month", "year", "expected"),
    [
        ("05/1931", None, None, (1931, 5)),
        ("5/1931", None, "1931", (1931, 5)),
        (None, "5", "1931", (1931, 5)),
        (None, "5.0", "1931.0", (1931, 5)),
        (None, None, "1931-01-01", (1931, None)),
        ("05/15/1931", None, None, (1931, 5)),
        ("13/1931", "13", None, (1931, None)),
        ("May-31", None, "1931", (1931, None)),
        (None, "7", None, (None, 7)),
        ("9999", None, "9999", (None, None)),
    ],
)
def test_births_in_every_spelling(dob, month, year, expected):
    assert parse_birth({"PTDOB": dob, "PTDOBMM": month, "PTDOBYY": year}) == expected


def test_rows_that_disagree_are_put_to_the_vote():
    person = describe(
        PTDEMOG=[
            {"PTGENDER": "2", "PTDOB": "05/1931"},
            {"PTGENDER": "2", "PTDOBYY": "1931"},
            {"PTGENDER": "1", "PTDOB": "06/1936"},
        ]
    )
    assert (person.sex, person.sex_source) == ("F", "PTDEMOG")
    assert person.born == date(1931, 5, 15)
    assert describe(PTDEMOG=[{"PTDOBYY": "1931"}]).born == date(1931, 7, 2)
    assert describe(PTDEMOG=[{"PTDOBMM": "5"}]).born is None


@pytest.mark.parametrize(
    ("tables", "group"),
    [
        ({"ADNIMERGE": [merged(DX_bl="SMC")], "STUDY_ENTRY": [{"entry_age": "70"}]}, "SMC"),
        ({"ADNIMERGE": [merged(DX_bl="EMCI")]}, "EMCI"),
        ({"ADNIMERGE": [merged(DX_bl="NL")]}, "CN"),
        ({"STUDY_ENTRY": [{"entry_research_group": "LMCI"}]}, "LMCI"),
        ({"IMAGE_LIST": [{"group": "AD"}]}, "AD"),
        (
            {"IMAGE_LIST": [{"group": "Patient"}]}
            | {"DXSUM": [{"VISCODE2": "sc", "EXAMDATE": "2006-04-01", "DIAGNOSIS": "2"}]},
            "MCI",
        ),
        ({"DXSUM": [{"VISCODE2": "m12", "EXAMDATE": "2006-04-01", "DIAGNOSIS": "2"}]}, None),
    ],
)
def test_the_group_of_enrolment_keeps_its_five_levels(tables, group):
    assert describe(**tables).enrolled_as == group


def test_what_is_known_without_adnimerge():
    person = describe(
        STUDY_ENTRY=[{"entry_age": "71.4", "entry_date": "2023-05-01"}],
        IMAGE_LIST=[{"sex": "F"}, {"sex": None}],
    )
    assert (person.age_at_entry, person.entry) == (71.4, date(2023, 5, 1))
    assert (person.sex, person.sex_source) == ("F", "image list")
    assert person.age_at_baseline is None


DAYS = st.integers(0, 4000).map(lambda day: (BASELINE + timedelta(day)).isoformat())
CODES = st.sampled_from(["sc", "bl", "m06", "m12", "m24", "init", "y1", "v11", "nv", None])
MERGED = st.builds(
    merged,
    CODES,
    st.none() | DAYS,
    st.sampled_from(["CN", "MCI", "MCI to Dementia", "Patient", None]),
    EXAMDATE_bl=DAYS,
    AGE=st.sampled_from(["70.1", "70.2", "9"]),
)
CODED = st.fixed_dictionaries(
    {
        "PHASE": st.sampled_from(["ADNI1", "ADNI 3", None]),
        "VISCODE": CODES,
        "VISCODE2": CODES,
        "EXAMDATE": st.none() | DAYS,
    }
)
DIAGNOSED = st.tuples(CODED, st.sampled_from(["1", "2", "3", "-5", None])).map(
    lambda row: row[0] | {"DIAGNOSIS": row[1]}
)
BIRTHS = st.fixed_dictionaries(
    {
        "PTGENDER": st.sampled_from(["1", "2", None]),
        "PTDOBMM": st.sampled_from(["1", "2", None]),
        "PTDOBYY": st.sampled_from(["1931", "1932", None]),
    }
)


@given(
    st.lists(MERGED, max_size=5),
    st.lists(DIAGNOSED, min_size=1, max_size=5),
    st.lists(CODED, max_size=5),
    st.lists(BIRTHS, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(adnimerge, dxsum, registry, births, rng: random.Random):
    tables = {"ADNIMERGE": adnimerge, "DXSUM": dxsum, "REGISTRY": registry, "PTDEMOG": births}
    person = describe(**tables)
    for changes in tables.values():
        rng.shuffle(changes)
    assert describe(**tables) == person
    assert list(person.visits) == sorted(person.visits, key=lambda v: (v.date, v.source))
