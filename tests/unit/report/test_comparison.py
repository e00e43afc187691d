import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.errors import UserError
from ldae.report.comparison import (
    Measured,
    Scope,
    explanations,
    measure,
    reported_range,
    verdict,
)

numbers = st.floats(-10, 10)


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        ("0.962", 0.9615, 0.9625),
        ("0.870", 0.8695, 0.8705),
        ("20", 19.5, 20.5),
        (">0.93", 0.93, math.inf),
        ("<0.004", -math.inf, 0.004),
    ],
)
def test_a_printed_number_stands_for_what_rounds_to_it(printed, low, high):
    assert reported_range(printed) == pytest.approx((low, high))


@pytest.mark.parametrize("printed", ["", "about 3", "0,9"])
def test_anything_else_is_refused(printed):
    with pytest.raises(UserError, match="neither a number"):
        reported_range(printed)


@pytest.mark.parametrize(
    ("printed", "low", "high", "lower_is_better", "expected"),
    [
        ("0.90", 0.88, 0.92, False, "inside"),
        ("0.90", 0.904, 0.92, False, "inside"),  # touches what rounds to 0.90
        ("0.90", 0.91, 0.92, False, "better"),
        ("0.90", 0.80, 0.89, False, "worse"),
        ("4.16", 3.0, 4.0, True, "better"),
        ("4.16", 4.5, 5.0, True, "worse"),
        (">0.93", 0.97, 0.98, False, "inside"),
        (">0.93", 0.90, 0.92, False, "worse"),
        ("<0.004", 0.005, 0.006, True, "worse"),
        ("0.001", 0.0012, 0.0014, True, "inside"),
    ],
)
def test_verdict(printed, low, high, lower_is_better, expected):
    measured = Measured((low + high) / 2, low, high)
    assert verdict(printed, measured, lower_is_better=lower_is_better) == expected


@given(numbers, numbers, st.integers(-400, 400))
def test_turning_the_scale_round_swaps_better_and_worse(a, b, hundredths):
    low, high = sorted((a, b))
    printed = f"{hundredths / 100:.2f}"
    up = verdict(printed, Measured(low, low, high), lower_is_better=False)
    down = verdict(printed, Measured(low, low, high), lower_is_better=True)
    assert down == {"better": "worse", "worse": "better", "inside": "inside"}[up]


def test_a_number_without_an_interval_is_its_own():
    frame = pd.DataFrame({"model": ["ldae"], "mse": [0.2], "mse_low": [None], "mse_high": [None]})
    assert measure(frame, {"model": "ldae"}, "mse", scope=Scope()) == Measured(0.2, 0.2, 0.2)


@pytest.mark.parametrize(
    ("value", "printed", "expected"),
    [(1.0, "0.9102", "undecided"), (0.0, "0.9102", "undecided"), (1.0, "1.000", "inside")],
)
def test_an_interval_without_width_decides_nothing(value, printed, expected):
    ends = {"recall": [value], "recall_low": [value], "recall_high": [value]}
    found = measure(pd.DataFrame({"task": ["a"]} | ends), {"task": "a"}, "recall", scope=Scope())
    assert isinstance(found, Measured)
    assert found.degenerate
    assert verdict(printed, found, lower_is_better=False) == expected


def test_a_gap_that_was_not_asked_for_is_not_put_down_to_the_cohort():
    frame = pd.DataFrame({"method": ["ldae"], "gap_months": [24], "ssim": [0.9]})

    def why(months, *gaps):
        keys = {"method": "ldae", "gap_months": months}
        return measure(frame, keys, "ssim", scope=Scope(gaps=gaps))

    assert why("6", 12, 24) == "6 months are not among the `interpolation.gaps` (12, 24)"
    assert "no test subject of this cohort" in why("6", 6, 24)


def test_explanations_are_read_by_metric():
    frame = pd.DataFrame({"not_computed": ["ms_ssim: too small; lpips: no weights", None]})
    assert explanations(frame) == {
        "ms_ssim": "ms_ssim: too small",
        "lpips": "lpips: no weights",
    }
