"""How well classes are told apart: each metric a function of the scans' weights.

The metrics of two classes are at a threshold of one half; those of more are of the likeliest class,
and precision, recall, F1 and ROC-AUC (one class against the rest) are means over classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldae.metrics.statistics import Array, Statistic, divide


def two_class_statistics(positive: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    """Metrics of two classes from the probability of the positive one, both `(N,)`.

    A metric whose denominator vanishes (precision when nothing is called positive) is NaN.
    """
    truth, called = np.asarray(positive, bool), np.asarray(probability) >= 0.5

    def table(weights: Array) -> tuple[Array, Array, Array, Array]:
        cells = (truth & called, ~truth & called, truth & ~called, ~truth & ~called)
        tp, fp, fn, tn = (weights @ cell.astype(float) for cell in cells)
        return tp, fp, fn, tn

    def accuracy(weights: Array) -> Array:
        tp, fp, fn, tn = table(weights)
        return divide(tp + tn, tp + fp + fn + tn)

    def precision(weights: Array) -> Array:
        tp, fp, _, _ = table(weights)
        return divide(tp, tp + fp)

    def recall(weights: Array) -> Array:
        tp, _, fn, _ = table(weights)
        return divide(tp, tp + fn)

    def f1(weights: Array) -> Array:
        tp, fp, fn, _ = table(weights)
        return divide(2 * tp, 2 * tp + fp + fn)

    def mcc(weights: Array) -> Array:
        tp, fp, fn, tn = table(weights)
        return divide(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))

    def balanced_accuracy(weights: Array) -> Array:
        tp, fp, fn, tn = table(weights)
        return (divide(tp, tp + fn) + divide(tn, tn + fp)) / 2

    def roc_auc(weights: Array) -> Array:
        return _weighted_auc(truth, np.asarray(probability, np.float64), weights)

    metrics = (accuracy, precision, recall, f1, roc_auc, mcc, balanced_accuracy)
    return {metric.__name__: metric for metric in metrics}


def class_statistics(truth: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    """Metrics of K classes from the class `(N,)`, 0 to K - 1, and probabilities `(N, K)`.

    A class nobody is called has a precision of 0. Metrics that are means over classes are NaN where
    a class is absent.
    """
    classes = np.arange(np.shape(probability)[1])
    is_class = np.asarray(truth)[:, None] == classes
    is_called = np.argmax(probability, axis=1)[:, None] == classes

    def table(weights: Array) -> tuple[Array, Array, Array]:
        """By class: weight of scans rightly called, of scans called, of scans that are of it."""
        cells = (is_class & is_called, is_called, is_class)
        right, called, present = (weights @ cell.astype(float) for cell in cells)
        return right, called, present

    def accuracy(weights: Array) -> Array:
        right, _, present = table(weights)
        return divide(right.sum(axis=1), present.sum(axis=1))

    def precision(weights: Array) -> Array:
        right, called, present = table(weights)
        each = np.where(called > 0, divide(right, called), 0.0)
        return np.where(present.all(axis=1), each.mean(axis=1), np.nan)

    def recall(weights: Array) -> Array:
        right, _, present = table(weights)
        return np.asarray(divide(right, present).mean(axis=1))

    def f1(weights: Array) -> Array:
        right, called, present = table(weights)
        each = divide(2 * right, called + present)
        return np.where(present.all(axis=1), each.mean(axis=1), np.nan)

    def roc_auc(weights: Array) -> Array:
        each = [_weighted_auc(is_class[:, k], probability[:, k], weights) for k in classes]
        return np.asarray(np.mean(each, axis=0))

    def mcc(weights: Array) -> Array:
        right, called, present = table(weights)
        total = present.sum(axis=1)
        agreement = right.sum(axis=1) * total - (called * present).sum(axis=1)
        spreads = [total**2 - (each**2).sum(axis=1) for each in (called, present)]
        return divide(agreement, np.sqrt(spreads[0] * spreads[1]))

    def balanced_accuracy(weights: Array) -> Array:
        return recall(weights)

    metrics = (accuracy, precision, recall, f1, roc_auc, mcc, balanced_accuracy)
    return {metric.__name__: metric for metric in metrics}


def _weighted_auc(truth: NDArray[np.bool_], score: Array, weights: Array) -> Array:
    """Weighted share of (positive, negative) pairs in the right order; ties count half."""
    order = np.argsort(score, kind="stable")
    score, truth, weights = score[order], truth[order], weights[:, order]
    negative = np.cumsum(np.where(truth, 0, weights), axis=1)
    negative = np.concatenate([np.zeros((len(weights), 1)), negative], axis=1)
    below = negative[:, np.searchsorted(score, score, side="left")]
    up_to = negative[:, np.searchsorted(score, score, side="right")]
    positive = np.where(truth, weights, 0)
    pairs = positive.sum(axis=1) * negative[:, -1]
    return divide((positive * (below + up_to) / 2).sum(axis=1), pairs)
