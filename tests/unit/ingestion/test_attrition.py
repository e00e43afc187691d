from itertools import pairwise

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ldae.ingestion.attrition import STEPS, count_attrition

REASONS = ("not_t1w", "repeat", "truncated", "too_few_slices")
IMAGE = st.tuples(
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["ses-M000", "ses-M012", None]),
    st.sampled_from([*STEPS[1:], None]),
    st.sampled_from(REASONS),
)
COUNTS = ["images", "sessions", "subjects"]


def ledger_of(images):
    frame = pd.DataFrame(
        images, columns=["subject", "session_id", "lost_at", "reason"], dtype=object
    )
    frame["reason"] = frame["reason"].where(frame["lost_at"].notna())
    return frame.assign(participant_id=frame["subject"])


@settings(max_examples=40)
@given(st.lists(IMAGE, max_size=30))
def test_what_a_step_keeps_and_loses_is_what_it_got(images):
    ledger = ledger_of(images)
    flow = count_attrition(ledger)
    kept = flow[flow["reason"].isna()].set_index("step")
    assert tuple(kept.index) == STEPS
    for before, step in pairwise(STEPS):
        lost = flow[(flow["step"] == step) & flow["reason"].notna()]
        assert (kept.loc[before, COUNTS] == kept.loc[step, COUNTS] + lost[COUNTS].sum()).all()
    used = ledger[ledger["lost_at"].isna()]
    assert kept.loc["found", "images"] == len(images)
    assert kept.loc["converted", "images"] == len(used)
    assert kept.loc["converted", "subjects"] == used["subject"].nunique()


def test_reasons_come_in_order_of_weight_before_what_is_left():
    rows = [("a", None, "t1w", "not_t1w")] * 2 + [("b", None, "t1w", "a_reason")]
    rows += [("a", "ses-M000", None, None), ("a", "ses-M000", "selected", "not_selected:repeat")]
    flow = count_attrition(ledger_of(rows))
    assert flow[flow["step"] == "t1w"].fillna("").to_numpy().tolist() == [
        ["t1w", "not_t1w", 2, 0, 0],
        ["t1w", "a_reason", 1, 0, 1],
        ["t1w", "", 2, 1, 1],
    ]
    selected = flow[(flow["step"] == "selected") & flow["reason"].notna()]
    assert selected[COUNTS].to_numpy().tolist() == [[1, 0, 0]]
