import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ldae.errors import UserError
from ldae.ingestion.attrition import count_attrition
from ldae.ingestion.ledger import COLUMNS, keep_ledger, plain
from ldae.ingestion.scans import tabulate_scans
from ldae.tables import CONVERTED, INGESTED, PLANNED


@pytest.fixture
def keep(frame):
    def ledger(planned, tried):
        kept = keep_ledger(frame(planned, PLANNED), frame(tried, CONVERTED))
        assert list(kept.columns) == list(COLUMNS)
        assert len(kept) == len(planned)
        return kept.astype(object).where(kept.notna(), None).set_index("place")

    return ledger


def test_each_image_is_used_or_has_the_reason_why_not(keep, found, fate):
    best = found(1)
    repeat = found(2, rank=1, standing={"repeat": 1})
    localizer = found(3, reason="not_t1w", detail="series name contains locali")
    ledger = keep([localizer, repeat, best], [fate(best)])
    assert list(ledger["image_id"]) == [1, 2, 3]
    assert list(ledger["status"]) == ["used", "excluded", "excluded"]
    assert list(ledger["reason"]) == [None, "not_selected:repeat", "not_t1w"]
    assert list(ledger["detail"]) == [None, "I1 is used", "series name contains locali"]
    assert list(ledger["lost_at"]) == [None, "selected", "t1w"]
    assert list(ledger["image"].notna()) == [True, False, False]


def test_an_image_that_stands_in_says_for_which(keep, found, fate):
    best, second = found(1), found(2, rank=1, standing={"repeat": 1})
    third = found(3, rank=2, standing={"repeat": 1, "accelerated": 1})
    ledger = keep(
        [best, second, third], [fate(best, "truncated", "120 of 170 slices"), fate(second)]
    )
    assert list(ledger["reason"]) == ["truncated", None, "not_selected:accelerated"]
    assert list(ledger["detail"]) == [
        "120 of 170 slices; I2 is used instead",
        "used in place of I1: truncated",
        "I2 is used",
    ]
    assert ledger["lost_at"].iloc[0] == "converted"


def test_a_session_of_which_nothing_converts_has_a_reason_per_image(keep, found, fate):
    one, other = found(1), found(2, rank=1)
    ledger = keep([one, other], [fate(one, "several_volumes"), fate(other, "no_voxel_size")])
    assert list(ledger["reason"]) == ["several_volumes", "no_voxel_size"]
    assert list(ledger["status"]) == ["excluded"] * 2


def test_sessions_are_told_apart_by_participant_too(keep, found, fate):
    rows = [found(1), found(2, "003_S_0413"), found(3, months=12)]
    ledger = keep(rows, [fate(row) for row in rows])
    assert list(ledger["status"]) == ["used"] * 3


def test_images_without_a_number_go_by_their_file(keep, found, fate):
    best, other = found(None), found(None, rank=1, standing={"later_name": 1})
    best |= {"place": "sub-1/a_T1w.nii.gz", "standing": '{"later_name": 0}'}
    other |= {"place": "sub-1/b_T1w.nii.gz", "standing": '{"later_name": 1}'}
    ledger = keep([best, other], [fate(best)])
    assert list(ledger["reason"]) == [None, "not_selected:later_name"]
    assert ledger["detail"].iloc[1] == "a_T1w.nii.gz is used"


@pytest.mark.parametrize("step", [0, 1, 2])
def test_tables_that_do_not_fit_are_refused(keep, found, fate, step):
    best, second = found(1), found(2, rank=1)
    elsewhere = fate(best) | {"session_id": "ses-M012"}
    tried = [[elsewhere], [fate(best, "truncated")], [fate(best), fate(second)]][step]
    with pytest.raises(UserError, match="convert again"):
        keep([best, second], tried)


def test_text_of_strangers_is_one_harmless_cell(keep, found, fate):
    image = found(1, description='=HYPERLINK("http://x")\r\n MPRAGE')
    assert keep([image], [fate(image)])["description"].iloc[0] == "'=HYPERLINK('http://x') MPRAGE"
    assert plain("MPR; ; N3; Scaled") == "MPR; ; N3; Scaled"


def test_scans_know_their_day_from_the_plan_and_their_scanner_from_the_image(frame, found, fate):
    used, failed = found(1, months=12, flags="diagnosis_distant"), found(2, "003_S_0413")
    unknown = found(3, manufacturer="GE", reason=None)
    tried = [
        fate(used),
        fate(failed, "truncated"),
        fate(unknown) | {"manufacturer": None, "field_strength": None},
    ]
    scans = tabulate_scans(frame([failed, used, unknown], PLANNED), frame(tried, CONVERTED))
    assert list(scans.columns) == INGESTED.names
    assert list(scans["image_id"]) == [3, 1]
    assert list(scans["manufacturer"]) == ["GE", "Siemens"]
    assert list(scans["field_strength"]) == [1.5, 3.0]
    assert scans["flags"].tolist()[1] == "diagnosis_distant"
    assert pd.isna(scans["flags"][0])
    assert list(scans["months"]) == [0, 12]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=6),
    st.integers(0, 5),
)
def test_used_and_excluded_add_up_to_found_whatever_fails(keep, found, fate, sessions, others):
    planned, tried = [], []
    for months, (images, failing) in enumerate(sessions):
        rows = [
            found(100 * months + rank + 1, months=months, rank=rank, standing={"repeat": rank})
            for rank in range(images)
        ]
        planned += rows
        tried += [fate(row, "truncated") for row in rows[:failing]]
        tried += [fate(row) for row in rows[failing : failing + 1]]
    planned += [found(5000 + number, reason="not_t1w") for number in range(others)]
    ledger = keep(planned, tried)
    used = sum(failing < images for images, failing in sessions)
    assert (ledger["status"] == "used").sum() == used
    assert (ledger["status"] == "excluded").sum() == len(planned) - used
    assert ((ledger["status"] == "excluded") == ledger["reason"].notna()).all()
    assert ((ledger["status"] == "used") == ledger["image"].notna()).all()
    flow = count_attrition(ledger)
    assert flow[flow["step"] == "converted"]["images"].iloc[-1] == used
