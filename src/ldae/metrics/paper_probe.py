"""Linear probes as the paper's code trains them, so that its numbers have like ones beside them.

A linear layer on codes standardised by the scans it learns from, trained in batches of 32 at a
learning rate of 0.001 on 70 % of the scans; the epoch kept is the best on the other 30 %, drawn by
scan, so that visits of a subject face each other. AD vs CN: Adam, 200 epochs, best by MCC; age:
plain gradient descent, 1000 epochs, best by squared error, ages scaled to [0, 1]. Unlike there, the
scale comes from training scans alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldae.config import Probe
from ldae.metrics.probe import LinearProbe, TooFewSubjects
from ldae.metrics.statistics import Array

HELD_OUT = 0.3
BATCH = 32
LEARNING_RATE = 1e-3
SEED = 42
DECAY, SQUARED_DECAY, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults


@dataclass(frozen=True)
class _Recipe:
    """`expected` makes answers of scores, `badness` judges them, `optimiser` turns gradients."""

    expected: Callable[[Array], Array]
    badness: Callable[[Array, Array], float]
    optimiser: Callable[[], Callable[[Array], Array]]
    epochs: int


def fit_diagnosis_as_paper(
    codes: NDArray[Any],
    positive: NDArray[Any],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None = None,
    fitted: Sequence[LinearProbe] = (),
) -> LinearProbe:
    """Logistic regression of `positive` `(N,)`; only `seed` is regarded besides.

    Raises:
        TooFewSubjects: the scans are all of one class.
    """
    truth = np.asarray(positive, np.float64)
    if len(np.unique(truth)) < 2:
        raise TooFewSubjects("a probe needs training scans of both classes, found one class only")
    return _train(codes, truth, _Recipe(_sigmoid, _against_mcc, _adam, epochs=200), seed)


def fit_age_as_paper(
    codes: NDArray[Any],
    ages: NDArray[Any],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None = None,
    fitted: Sequence[LinearProbe] = (),
) -> LinearProbe:
    """Least squares of ages `(N,)`; only `seed` is regarded besides.

    Raises:
        TooFewSubjects: there are fewer than two ages.
    """
    if len(np.unique(ages)) < 2:
        raise TooFewSubjects("a probe needs two training scans of different ages at least")
    youngest, span = float(np.min(ages)), float(np.ptp(ages))
    recipe = _Recipe(np.asarray, _squared_error, _descent, epochs=1000)
    probe = _train(codes, (np.asarray(ages, np.float64) - youngest) / span, recipe, seed)
    return LinearProbe(
        mean=probe.mean,
        std=probe.std,
        weight=tuple(span * weight for weight in probe.weight),
        bias=span * probe.bias + youngest,
        regularisation=0.0,
    )


def _train(codes: NDArray[Any], truth: Array, recipe: _Recipe, seed: int | None) -> LinearProbe:
    """The best epoch of a linear layer; a constant code is left as it is."""
    generator = np.random.default_rng(SEED if seed is None else seed)
    order = generator.permutation(len(codes))
    held_out, learnt = np.split(order, [max(1, int(np.ceil(HELD_OUT * len(codes))))])
    mean, std = codes[learnt].mean(axis=0), codes[learnt].std(axis=0)
    std = np.where(std > 0, std, 1.0).astype(np.float64)
    ones = np.ones((len(codes), 1))
    inputs = np.concatenate([(codes - mean) / std, ones], axis=1).astype(np.float64)
    bound = 1 / np.sqrt(codes.shape[1])
    weight = generator.uniform(-bound, bound, inputs.shape[1])  # the last is the bias
    turn, best, least = recipe.optimiser(), weight, np.inf
    for _ in range(recipe.epochs):
        shuffled = generator.permutation(learnt)
        for start in range(0, len(shuffled), BATCH):
            x, wanted = (of[shuffled[start : start + BATCH]] for of in (inputs, truth))
            gradient = (recipe.expected(x @ weight) - wanted) @ x / len(x)
            weight = weight - LEARNING_RATE * turn(gradient)
        badness = recipe.badness(recipe.expected(inputs[held_out] @ weight), truth[held_out])
        if badness < least:
            best, least = weight, badness
    return LinearProbe(
        mean=tuple(mean.astype(np.float64).tolist()),
        std=tuple(std.tolist()),
        weight=tuple(best[:-1].tolist()),
        bias=float(best[-1]),
        regularisation=0.0,
    )


def _sigmoid(score: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * score)))


def _against_mcc(chance: Array, truth: Array) -> float:
    called, right = chance > 0.5, truth > 0.5
    spread = np.sqrt(called.mean() * (~called).mean() * right.mean() * (~right).mean())
    agreement = (called & right).mean() - called.mean() * right.mean()
    return float(-agreement / spread) if spread > 0 else 0.0


def _squared_error(found: Array, truth: Array) -> float:
    return float(((found - truth) ** 2).mean())


def _descent() -> Callable[[Array], Array]:
    """Plain gradient descent; the derivative of a squared error is twice what is too much."""
    return lambda gradient: 2 * gradient


def _adam() -> Callable[[Array], Array]:
    """Adam (Kingma and Ba 2015)."""
    steps, mean, square = 0, np.zeros(()), np.zeros(())

    def turn(gradient: Array) -> Array:
        nonlocal steps, mean, square
        steps += 1
        mean = DECAY * mean + (1 - DECAY) * gradient
        square = SQUARED_DECAY * square + (1 - SQUARED_DECAY) * gradient**2
        level = np.sqrt(square / (1 - SQUARED_DECAY**steps)) + EPSILON
        return np.asarray(mean / (1 - DECAY**steps) / level)

    return turn
