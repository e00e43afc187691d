"""Linear probes: how much of a diagnosis or an age a straight line reads out of a semantic code.

Every constant of a probe (mean, standard deviation, weights, regularisation) comes from the scans
it is fitted on; its regularisation is chosen by cross-validation that keeps a subject's scans in
one fold. AD is the positive class.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics.statistics import Array, Statistic, divide


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe: `score = weight · (code - mean) / std + bias`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    weight: tuple[float, ...]  # in standardised space
    bias: float
    regularisation: float  # as chosen: C of the logistic regression, penalty of the ridge

    def score(self, codes: NDArray[Any]) -> Array:
        """Log-odds of AD, or years, `(N,)` for codes `(N, E)`."""
        standardised = (codes - np.asarray(self.mean)) / np.asarray(self.std)
        return np.asarray(standardised @ np.asarray(self.weight) + self.bias)

    def probability(self, codes: NDArray[Any]) -> Array:
        """Probability of the positive class, `(N,)` for codes `(N, E)`."""
        return np.asarray(1 / (1 + np.exp(-self.score(codes))))

    def direction(self) -> Array:
        """Unit vector `(E,)` in standardised space along which the score grows."""
        weight = np.asarray(self.weight)
        length = float(np.linalg.norm(weight))
        if length == 0:
            raise UserError("the probe's weights are all zero: its codes carry nothing of the task")
        return weight / length

    def move(self, codes: NDArray[Any], strength: float) -> Array:
        """Codes `(N, E)` moved by `strength · sqrt(E)` along the direction, in standardised units.

        The factor sqrt(E) makes a strength mean the same share of a code's length at any E, as in
        the manipulation of diffusion autoencoders (Preechakul et al., 2022).
        """
        step = strength * np.sqrt(len(self.weight)) * self.direction()
        return np.asarray(codes + step * np.asarray(self.std))

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The probe that `as_json` wrote."""
        return cls(
            mean=tuple(content["mean"]),
            std=tuple(content["std"]),
            weight=tuple(content["weight"]),
            bias=content["bias"],
            regularisation=content["regularisation"],
        )


def fit_diagnosis(
    codes: NDArray[Any], positive: NDArray[Any], subjects: NDArray[Any], settings: Probe
) -> LinearProbe:
    """Logistic regression of `positive` `(N,)` on codes `(N, E)`; C by subject-grouped log-loss.

    Raises:
        UserError: fewer than two subjects in either class.
    """
    smallest = min(len(np.unique(subjects[positive])), len(np.unique(subjects[~positive])))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    search = GridSearchCV(
        model,
        {"logisticregression__C": sorted(settings.inverse_regularisation)},
        scoring="neg_log_loss",
        cv=StratifiedGroupKFold(_folds(settings.folds, smallest)),
        error_score="raise",
    )
    search.fit(codes, positive.astype(int), groups=subjects)
    return _read_out(search.best_estimator_, search.best_params_)


def fit_age(
    codes: NDArray[Any], ages: NDArray[Any], subjects: NDArray[Any], settings: Probe
) -> LinearProbe:
    """Ridge regression of ages `(N,)` on codes `(N, E)`; penalty by subject-grouped squared error.

    Raises:
        UserError: fewer than two subjects.
    """
    model = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(
        model,
        {"ridge__alpha": sorted(settings.ridge_penalty, reverse=True)},
        scoring="neg_mean_squared_error",
        cv=GroupKFold(_folds(settings.folds, len(np.unique(subjects)))),
        error_score="raise",
    )
    search.fit(codes, ages, groups=subjects)
    return _read_out(search.best_estimator_, search.best_params_)


def diagnosis_statistics(positive: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    """Metrics of AD vs CN at a threshold of one half, each a function of the scans' weights.

    A metric whose denominator vanishes (precision when nothing is called AD) is NaN.
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


def age_statistics(ages: NDArray[Any], predicted: NDArray[Any]) -> dict[str, Statistic]:
    """Mean absolute error and root mean square error (years) and R², as functions of weights."""
    truth = np.asarray(ages, np.float64)
    error = np.asarray(predicted, np.float64) - truth

    def mae(weights: Array) -> Array:
        return divide(weights @ np.abs(error), weights.sum(axis=1))

    def rmse(weights: Array) -> Array:
        return np.asarray(np.sqrt(weights @ error**2 / weights.sum(axis=1)))

    def r2(weights: Array) -> Array:
        centre = weights @ truth / weights.sum(axis=1)
        spread = (weights * (truth - centre[:, None]) ** 2).sum(axis=1)
        return 1 - divide(weights @ error**2, spread)

    return {metric.__name__: metric for metric in (mae, rmse, r2)}


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


def _folds(wanted: int, subjects: int) -> int:
    if subjects < 2:
        raise UserError(
            f"a probe needs two training subjects at least (AD vs CN: of each), found {subjects}; "
            "enlarge the cohort or the training split"
        )
    return min(wanted, subjects)


def _read_out(pipeline: Any, chosen: dict[str, float]) -> LinearProbe:
    scaler, model = pipeline[0], pipeline[-1]
    return LinearProbe(
        mean=tuple(scaler.mean_.tolist()),
        std=tuple(scaler.scale_.tolist()),
        weight=tuple(np.ravel(model.coef_).tolist()),
        bias=float(np.ravel(model.intercept_)[0]),
        regularisation=float(next(iter(chosen.values()))),
    )
