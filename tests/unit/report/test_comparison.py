import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.errors import UserError
from ldae.report.comparison import Measured, explanations, measure, reported_range, verdict

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
    assert measure(frame, {"model": "ldae"}, "mse") == Measured(0.2, 0.2, 0.2)


def test_explanations_are_read_by_metric():
    frame = pd.DataFrame({"not_computed": ["ms_ssim: too small; lpips: no weights", None]})
    assert explanations(frame) == {
        "ms_ssim": "ms_ssim: too small",
        "lpips": "lpips: no weights",
    }
