import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.visit_labels import PHASES, parse_phase, visit_months

ALWAYS = {
    # ADNI1 and GO count from the first baseline, whoever continues
    "ADNI Screening": 0,
    "ADNI1 Screening": 0,
    "ADNI Baseline": 0,
    "ADNI1 Baseline": 0,
    "ADNI1/GO Month 6": 6,
    "ADNI1/GO Month 54": 54,
    "ADNIGO Screening MRI": 0,
    "ADNIGO Month 3 MRI": 3,
    "ADNIGO Month 78": 78,
    # visits that only new participants have
    "ADNI2 Screening-New Pt": 0,
    "ADNI2 Screening MRI-New Pt": 0,
    "ADNI2 Baseline-New Pt": 0,
    "ADNI2 Month 3 MRI-New Pt": 3,
    "ADNI2 Month 6-New Pt": 6,
    "ADNI4 Baseline - New Pt": 0,
    # codes
    "sc": 0,
    "bl": 0,
    "scmri": 0,
    "m0": 0,
    "m03": 3,
    "m06": 6,
    "M120": 120,
    "v01": 0,
    "v02": 0,
    "v03": 0,
    "v04": 3,
    "v05": 6,
    "4_sc": 0,
    "4_bl": 0,
}
FROM_ENTRY = {
    "ADNI2 Initial Visit-Cont Pt": ("ADNI2", 0),
    "v06": ("ADNI2", 0),
    "ADNI2 Year 1 Visit": ("ADNI2", 12),
    "v11": ("ADNI2", 12),
    "ADNI2 Year 5 Visit": ("ADNI2", 60),
    "v51": ("ADNI2", 60),
    "ADNI3 Initial Visit-Cont Pt": ("ADNI3", 0),
    "ADNI3 Initial Visit - Continuing Pt": ("ADNI3", 0),
    "init": ("ADNI3", 0),
    "reg": ("ADNI3", 0),
    "ADNI3 Year 6 Visit": ("ADNI3", 72),
    "y1": ("ADNI3", 12),
    "y6": ("ADNI3", 72),
    "ADNI4 Initial Visit - Cont Pt": ("ADNI4", 0),
    "4_init": ("ADNI4", 0),
    "ADNI4 Month 12": ("ADNI4", 12),
    "4_m12": ("ADNI4", 12),
    "Month 24": ("ADNI4", 24),
}
NEVER = [
    *(
        "ADNI2 Tau-only visit",
        "No Visit Defined",
        "Unscheduled",
        "tau",
        "nv",
        "uns1",
        "f",
        "4_disp",
    ),
    *("1", "3", "34", "101", "", None, "Year 1 Visit", "Visit 1", "m2011", "v12", "v07", "y7"),
    *("ADNI Screen Fail", "ADNI1 Screening Fail", "ADNI3 Year 1 TelCheck"),
]


@pytest.mark.parametrize(("label", "months"), ALWAYS.items())
@pytest.mark.parametrize("entered", [None, *PHASES])
def test_names_that_tell_months_tell_them_of_everyone(label, months, entered):
    assert visit_months(label, entered=entered) == months


@pytest.mark.parametrize(("label", "meaning"), FROM_ENTRY.items())
@pytest.mark.parametrize("entered", [None, *PHASES])
def test_names_that_restart_with_a_phase_need_the_participant_to_have_entered_there(
    label, meaning, entered
):
    phase, months = meaning
    assert visit_months(label, entered=entered) == (months if entered == phase else None)


@pytest.mark.parametrize("label", NEVER)
@pytest.mark.parametrize("entered", [None, *PHASES])
def test_other_names_tell_nothing(label, entered):
    assert visit_months(label, entered=entered) is None


@given(
    st.sampled_from(sorted(ALWAYS) + sorted(FROM_ENTRY)),
    st.sampled_from([str.lower, str.upper, lambda label: f" {label}  ", str.title]),
    st.sampled_from([*PHASES]),
)
def test_spelling_does_not_matter(label, respell, entered):
    assert visit_months(respell(label), entered=entered) == visit_months(label, entered=entered)


@given(st.text(max_size=30), st.sampled_from([None, *PHASES]))
def test_no_text_is_too_strange(label, entered):
    months = visit_months(label, entered=entered)
    assert months is None or 0 <= months <= 999


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("ADNI1", "ADNI1"),
        ("ADNI 3", "ADNI3"),
        ("ADNI GO", "ADNIGO"),
        ("adnigo", "ADNIGO"),
        ("ADNI4", "ADNI4"),
        ("ADNI", None),
        ("ADNI12", None),
        ("DOD", None),
        (None, None),
    ],
)
def test_phases_are_known_in_each_spelling(text, phase):
    assert parse_phase(text) == phase
