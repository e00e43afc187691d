import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from ldae.metrics.calibration import class_calibration, two_class_calibration
from ldae.metrics.statistics import bootstrap_interval, subject_weights


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def told(size, *, slope=1.0, shift=0.0, seed=0):
    """Truth drawn from `sigmoid(score)`, and probabilities distorted by slope and shift."""
    generator = np.random.default_rng(seed)
    score = generator.normal(0, 1.5, size)
    truth = generator.random(size) < sigmoid(score)
    return truth, sigmoid((score - shift) / slope)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, 0.0), (2.5, 0.0), (1.0, 0.8)])
def test_planted_miscalibration_is_found_within_the_interval(slope, shift):
    truth, probability = told(1500, slope=slope, shift=shift)
    found = two_class_calibration(truth, probability)
    weights = subject_weights([str(i) for i in range(1500)], replicates=200, seed=0)
    measured = bootstrap_interval(found["calibration_slope"], weights, 0.99)
    assert measured.low < slope < measured.high
    assert measured.high - measured.low < slope
    if slope == 1:
        intercept = bootstrap_interval(found["calibration_intercept"], weights, 0.99)
        assert intercept.low < shift < intercept.high


@given(st.integers(0, 2**31))
def test_slopes_are_those_of_scikit_learn(seed):
    truth, probability = told(40, slope=0.7, seed=seed)
    logit = np.log(probability / (1 - probability))
    weights = np.random.default_rng(seed).integers(0, 3, size=(3, 40)).astype(float)
    found = two_class_calibration(truth, probability)["calibration_slope"](weights)
    for slope, weight in zip(found, weights, strict=True):
        if np.isfinite(slope):
            model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
            model.fit(logit[:, None], truth, sample_weight=weight)
            assert slope == pytest.approx(model.coef_[0, 0], rel=1e-3)


def test_brier_score_is_that_of_scikit_learn():
    truth, probability = told(60)
    weight = np.random.default_rng(1).integers(0, 3, size=60).astype(float)
    expected = brier_score_loss(truth, probability, sample_weight=weight)
    assert two_class_calibration(truth, probability)["brier"](weight[None])[0] == pytest.approx(
        expected
    )
    both = class_calibration(truth.astype(int), np.stack([1 - probability, probability], axis=1))
    assert both["brier"](weight[None])[0] == pytest.approx(2 * expected)


def test_calibration_error_by_hand():
    truth = np.array([True, False, True, True])
    probability = np.array([0.12, 0.18, 0.91, 1.0])
    found = two_class_calibration(truth, probability)["ece"]
    assert found(np.ones((1, 4)))[0] == pytest.approx((abs(0.30 - 1) + abs(1.91 - 2)) / 4)
    again = class_calibration(np.array([0, 1]), np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1]]))
    assert again["ece"](np.ones((1, 2)))[0] == pytest.approx((0.2 + 0.7) / 2)


def test_where_there_is_no_slope():
    def slope(truth, probability, weight=None):
        weights = np.ones((1, len(truth))) if weight is None else np.array([weight], float)
        found = two_class_calibration(np.array(truth, bool), np.array(probability))
        return found["calibration_slope"](weights)[0]

    assert slope([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9]) == np.inf  # told apart without an error
    assert slope([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.9]) == -np.inf
    assert np.isnan(slope([0, 1, 0, 1], [0.4] * 4))
    assert np.isnan(slope([1, 1, 1, 1], [0.1, 0.2, 0.3, 0.9]))
    assert np.isfinite(slope([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9]))
    assert slope([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9], weight=[1, 1, 0, 1]) == np.inf
    assert np.isfinite(slope([0, 1, 0, 1], [0.0, 0.2, 0.3, 1.0]))


def test_where_there_is_no_intercept():
    found = two_class_calibration(np.array([True, True, False]), np.array([0.9, 0.8, 0.7]))
    intercept = found["calibration_intercept"]
    assert np.isnan(intercept(np.array([[1.0, 2.0, 0.0]])))[0]
    assert intercept(np.ones((1, 3)))[0] < 0
