"""Intervals over subjects: a scan is never resampled without the other scans of its subject."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From weights `(replicates, scans)` to values `(replicates,)`; weights of one: the estimate."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its interval."""

    value: float
    low: float
    high: float


def subject_weights(subjects: Sequence[str], *, replicates: int, seed: int) -> Array:
    """How often each scan counts in every bootstrap replicate, `(replicates, scans)`.

    Subjects are drawn with replacement, as many as there are; every scan of a drawn subject counts
    as often as its subject was drawn (the cluster bootstrap).
    """
    names, membership = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    generator = np.random.default_rng([seed, 0xB007])
    draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    return draws[:, membership].astype(np.float64)


def bootstrap_interval(statistic: Statistic, weights: Array, confidence: float) -> Interval:
    """The estimate and its percentile interval under `weights` of `subject_weights`.

    Replicates in which the statistic is undefined (one class absent, say) are left out; one that is
    infinite counts as such. An undefined estimate has undefined bounds. Where every subject is
    right, so is every replicate: an interval without width, which is not certainty.
    """
    value = float(statistic(np.ones((1, weights.shape[1])))[0])
    replicates = statistic(weights)
    replicates = replicates[~np.isnan(replicates)]
    if np.isnan(value) or replicates.size == 0:
        return Interval(value, float("nan"), float("nan"))
    tail = 50 * (1 - confidence)
    # Between two infinite values there is no interpolating.
    method: Literal["linear", "nearest"] = "linear" if np.isfinite(replicates).all() else "nearest"
    low, high = np.percentile(replicates, [tail, 100 - tail], method=method)
    return Interval(value, float(low), float(high))


def summarise(
    statistics: Mapping[str, Statistic], weights: Array, confidence: float
) -> dict[str, float]:
    """Flat columns of a result table: `name`, `name_low`, `name_high` for each statistic."""
    columns: dict[str, float] = {}
    for name, statistic in statistics.items():
        interval = bootstrap_interval(statistic, weights, confidence)
        columns[name] = interval.value
        columns[f"{name}_low"], columns[f"{name}_high"] = interval.low, interval.high
    return columns


def mean_of(values: ArrayLike) -> Statistic:
    """The mean over scans of `values` `(scans,)`."""
    scores = np.asarray(values, dtype=np.float64)
    return lambda weights: weights @ scores / weights.sum(axis=1)


def ratio_of(numerator: ArrayLike, denominator: ArrayLike) -> Statistic:
    """The ratio of two sums over scans."""
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return lambda weights: divide(weights @ above, weights @ below)


def difference_of(one: Statistic, other: Statistic) -> Statistic:
    """One statistic less another of the same scans: both see the same replicates, hence paired."""
    return lambda weights: one(weights) - other(weights)


def divide(numerator: Array, denominator: Array) -> Array:
    """Element-wise quotient, NaN where the denominator is zero."""
    quotient = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient
