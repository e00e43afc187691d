"""Linear probes: how much of a diagnosis or an age a straight line reads out of a semantic code.

Every constant of a probe (mean, standard deviation, weights, regularisation) comes from the scans
it is fitted on; its regularisation is chosen by cross-validation that keeps a subject's scans in
one fold. The fits have no randomness of their own: a `seed` only draws other folds, which may
choose another regularisation; without one the folds follow the order of the scans.
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
from ldae.metrics.statistics import Array

SMALLEST = 1e-15  # probability, so that log-losses are finite


class TooFewSubjects(UserError):  # noqa: N818  (named for the reader of the message)
    """A probe cannot be fitted on the training subjects at hand."""


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe: `score = weight · (code - mean) / std + bias`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    weight: tuple[float, ...]  # in standardised space
    bias: float
    regularisation: float  # as chosen: C of the logistic regression, penalty of the ridge; 0: none

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


@dataclass(frozen=True)
class ClassProbe:
    """A fitted probe of K classes: the softmax of one linear score per class."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    weight: tuple[tuple[float, ...], ...]  # (K, E), in standardised space
    bias: tuple[float, ...]
    regularisation: float  # C of the logistic regression, as chosen

    def probabilities(self, codes: NDArray[Any]) -> Array:
        """Probabilities `(N, K)` for codes `(N, E)`."""
        standardised = (codes - np.asarray(self.mean)) / np.asarray(self.std)
        scores = standardised @ np.asarray(self.weight).T + np.asarray(self.bias)
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def fit_diagnosis(
    codes: NDArray[Any],
    positive: NDArray[Any],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None = None,
) -> LinearProbe:
    """Logistic regression of `positive` `(N,)` on codes `(N, E)`; C by subject-grouped log-loss.

    Raises:
        TooFewSubjects: fewer than two subjects in either class.
    """
    fitted = _fit_logistic(codes, np.asarray(positive, int), subjects, settings, seed)
    mean, std, weight, bias, regularisation = fitted
    return LinearProbe(mean, std, weight[0], bias[0], regularisation)


def fit_classes(
    codes: NDArray[Any],
    classes: NDArray[Any],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None = None,
) -> ClassProbe:
    """Multinomial logistic regression of `classes` `(N,)`, 0 to K - 1, on codes `(N, E)`.

    Raises:
        TooFewSubjects: fewer than two subjects in a class.
    """
    return ClassProbe(*_fit_logistic(codes, np.asarray(classes, int), subjects, settings, seed))


def fit_age(
    codes: NDArray[Any],
    ages: NDArray[Any],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None = None,
) -> LinearProbe:
    """Ridge regression of ages `(N,)` on codes `(N, E)`; penalty by subject-grouped squared error.

    Raises:
        TooFewSubjects: fewer than two subjects.
    """
    folds = _folds(settings.folds, len(np.unique(subjects)))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": sorted(settings.ridge_penalty, reverse=True)},
        scoring="neg_mean_squared_error",
        cv=GroupKFold(folds, shuffle=seed is not None, random_state=seed),
        error_score="raise",
    )
    search.fit(codes, ages, groups=subjects)
    mean, std, weight, bias, regularisation = _read_out(search)
    return LinearProbe(mean, std, weight[0], bias[0], regularisation)


Numbers = tuple[float, ...]


def _fit_logistic(
    codes: NDArray[Any],
    classes: NDArray[np.int_],
    subjects: NDArray[Any],
    settings: Probe,
    seed: int | None,
) -> tuple[Numbers, Numbers, tuple[Numbers, ...], Numbers, float]:
    """Mean, deviation, weights, biases and regularisation of the best logistic regression."""
    smallest = min(len(np.unique(subjects[classes == each])) for each in range(classes.max() + 1))
    folds = _folds(settings.folds, smallest if len(np.unique(classes)) > 1 else 0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        {"logisticregression__C": sorted(settings.inverse_regularisation)},
        scoring=_log_likelihood,
        cv=StratifiedGroupKFold(folds, shuffle=seed is not None, random_state=seed),
        error_score="raise",
    )
    search.fit(codes, classes, groups=subjects)
    return _read_out(search)


def _log_likelihood(model: Any, codes: NDArray[Any], classes: NDArray[Any]) -> float:
    """Mean log-probability of the true class, also where a fold lacks one of the classes."""
    right = classes[:, None] == model.classes_
    chances = (model.predict_proba(codes) * right).sum(axis=1)
    return float(np.log(np.maximum(chances, SMALLEST)).mean())


def _folds(wanted: int, subjects: int) -> int:
    if subjects < 2:
        raise TooFewSubjects(
            "a probe needs two training subjects at least (of each class, where it tells classes "
            f"apart), found {subjects}; enlarge the cohort or the training split"
        )
    return min(wanted, subjects)


def _read_out(search: Any) -> tuple[Numbers, Numbers, tuple[Numbers, ...], Numbers, float]:
    scaler, model = search.best_estimator_[0], search.best_estimator_[-1]
    return (
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
        tuple(tuple(row) for row in np.atleast_2d(model.coef_).tolist()),
        tuple(np.atleast_1d(model.intercept_).tolist()),
        float(next(iter(search.best_params_.values()))),
    )
