"""Whether probabilities mean what they say: each measure a function of the scans' weights.

Brier score (Brier 1950; of more than two classes the sum over classes), expected calibration error
(Guo et al. 2017; of the likeliest class, in equal bins), and slope and intercept of a logistic
recalibration (Cox 1958; Van Calster et al. 2019): a slope below 1 means too extreme probabilities,
an intercept below 0 too high ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldae.metrics.statistics import Array, Statistic, divide

BINS = 10  # of probability, as is customary
NEAREST = 1e-12  # to 0 and 1, so that logits are finite
ITERATIONS, TOLERANCE, LONGEST_STEP = 100, 1e-7, 2.0  # of Newton's method, in standard deviations


def two_class_calibration(
    positive: NDArray[Any], probability: NDArray[Any]
) -> dict[str, Statistic]:
    """`brier`, `ece`, `calibration_slope` and `calibration_intercept` of two classes, `(N,)` each.

    The slope is infinite where a threshold separates the classes without an error, NaN where all
    probabilities are equal; slope and intercept are NaN where a class is absent.
    """
    truth = np.asarray(positive, np.float64)
    chance = np.asarray(probability, np.float64)
    bounded = np.clip(chance, NEAREST, 1 - NEAREST)
    logit = np.log(bounded) - np.log1p(-bounded)
    return {
        "brier": _mean_of((chance - truth) ** 2),
        "ece": _calibration_error(truth, chance),
        "calibration_slope": lambda weights: _slope(truth, logit, weights),
        "calibration_intercept": lambda weights: _intercept(truth, logit, weights),
    }


def class_calibration(truth: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    """`brier` and `ece` of K classes, from the class `(N,)` and probabilities `(N, K)`."""
    chance = np.asarray(probability, np.float64)
    is_class = np.asarray(truth)[:, None] == np.arange(chance.shape[1])
    right = (np.argmax(chance, axis=1) == truth).astype(np.float64)
    return {
        "brier": _mean_of(((chance - is_class) ** 2).sum(axis=1)),
        "ece": _calibration_error(right, chance.max(axis=1)),
    }


def _mean_of(values: Array) -> Statistic:
    return lambda weights: divide(weights @ values, weights.sum(axis=1))


def _calibration_error(happened: Array, chance: Array) -> Statistic:
    """Mean over scans of how far their bin's mean probability is from the share that happened."""
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    excess = (chance - happened)[:, None] * (bins[:, None] == np.arange(BINS))

    def ece(weights: Array) -> Array:
        return divide(np.abs(weights @ excess).sum(axis=1), weights.sum(axis=1))

    return ece


def _slope(truth: Array, logit: Array, weights: Array) -> Array:
    """Slope of a weighted logistic regression of the truth on the logit, per row of `weights`."""
    spread = float(logit.std())
    slopes = np.full(len(weights), np.nan)
    if spread == 0:
        return slopes
    x = (logit - logit.mean()) / spread
    inside = {kind: np.where((weights > 0) & (truth == kind), x, np.nan) for kind in (0.0, 1.0)}
    known = np.all([(~np.isnan(each)).any(axis=1) for each in inside.values()], axis=0)
    if not known.any():
        return slopes
    low, high = (
        {kind: extreme(each[known], axis=1) for kind, each in inside.items()}
        for extreme in (np.nanmin, np.nanmax)
    )
    varied = np.minimum(low[0], low[1]) < np.maximum(high[0], high[1])
    rising, falling = varied & (high[0] <= low[1]), varied & (high[1] <= low[0])
    found = np.full(int(known.sum()), np.nan)
    found[rising], found[falling] = np.inf, -np.inf
    regular = varied & ~rising & ~falling
    found[regular] = _newton(truth, x, weights[known][regular]) / spread
    slopes[known] = found
    return slopes


def _newton(truth: Array, x: Array, weights: Array) -> Array:
    """Slopes `(R,)` of logistic regressions that have a finite one; NaN where none is found."""
    found, fitted = np.full(len(weights), np.nan), np.zeros((2, len(weights)))
    open_rows = np.arange(len(weights))
    for _ in range(ITERATIONS):
        intercept, slope = fitted[:, open_rows]
        p = _probability(intercept[:, None] + slope[:, None] * x)
        gradient, curvature = weights[open_rows] * (truth - p), weights[open_rows] * p * (1 - p)
        g0, g1 = gradient.sum(axis=1), gradient @ x
        h0, h1, h2 = curvature.sum(axis=1), curvature @ x, curvature @ x**2
        step = divide(np.stack([h2 * g0 - h1 * g1, h0 * g1 - h1 * g0]), h0 * h2 - h1**2)
        length = np.abs(step).max(axis=0)
        fitted[:, open_rows] += step * np.minimum(1, LONGEST_STEP / np.maximum(length, TOLERANCE))
        done = length <= TOLERANCE
        found[open_rows[done]] = fitted[1, open_rows[done]]
        open_rows = open_rows[length > TOLERANCE]  # not those whose step is undefined
        if not len(open_rows):
            break
    return found


def _intercept(truth: Array, logit: Array, weights: Array) -> Array:
    """What has to be added to every logit so that as many are expected as there are."""
    total, happened = weights.sum(axis=1), weights @ truth
    shift = np.where((happened > 0) & (happened < total), 0.0, np.nan)
    for _ in range(ITERATIONS):
        p = _probability(logit + shift[:, None])
        step = divide(happened - (weights * p).sum(axis=1), (weights * p * (1 - p)).sum(axis=1))
        shift = shift + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if not (np.abs(step) > TOLERANCE).any():
            break
    return np.where(np.abs(step) <= TOLERANCE, shift, np.nan)


def _probability(logit: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))
