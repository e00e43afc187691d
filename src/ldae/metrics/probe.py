"""Linear probes: how much of a diagnosis or an age a straight line reads out of a semantic code.

Every constant of a probe (mean, standard deviation, weights, regularisation) comes from the scans
it is fitted on; its regularisation is chosen by cross-validation that keeps a subject's scans in
one fold. The fits have no randomness of their own: a `seed` only draws other folds, which may
choose another regularisation; without one the folds follow the order of the scans.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import Any, Generic, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typing_extensions import TypeVar  # of a default, which Python 3.11 does not know

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


P = TypeVar("P", bound=LinearProbe | ClassProbe, default=LinearProbe)


@dataclass(frozen=True)
class Lesson(Generic[P]):
    """What a probe learns from: codes `(N, E)` of scans, what to tell of them, and whose they are.

    Attributes:
        codes: `(N, E)`.
        target: `(N,)`, the truth of each scan.
        subjects: `(N,)`, whose scan it is.
        settings: what to choose among, and in how many folds.
        seed: draws folds; None: those that go without saying.
        fitted: probes of the same codes and target, of which one may be the answer.
    """

    codes: NDArray[Any]
    target: NDArray[Any]
    _: KW_ONLY
    subjects: NDArray[Any]
    settings: Probe
    seed: int | None = None
    fitted: Sequence[P] = ()


def fit_diagnosis(lesson: Lesson) -> LinearProbe:
    """Logistic regression of the target, true or false; C by subject-grouped log-loss.

    One of the probes that were fitted is returned when it has the C that is chosen.

    Raises:
        TooFewSubjects: fewer than two subjects in either class.
    """
    asked = replace(lesson, target=np.asarray(lesson.target, int))
    search = _logistic_search(asked, count=2)
    chosen = _choice(search, asked)
    return _among(asked.fitted, chosen) or _linear(*_final(search, asked), chosen)


def fit_classes(lesson: Lesson[ClassProbe], *, count: int) -> ClassProbe:
    """Multinomial logistic regression of the target, classes 0 to `count` - 1.

    Raises:
        TooFewSubjects: fewer than two subjects in a class.
    """
    search = _logistic_search(lesson, count=count)
    chosen = _choice(search, lesson)
    return _among(lesson.fitted, chosen) or ClassProbe(*_final(search, lesson), chosen)


def fit_age(lesson: Lesson) -> LinearProbe:
    """Ridge regression of the target, ages; penalty by subject-grouped squared error.

    Raises:
        TooFewSubjects: fewer than two subjects.
    """
    settings, seed = lesson.settings, lesson.seed
    folds = _folds(settings.folds, len(np.unique(lesson.subjects)))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": sorted(settings.ridge_penalty, reverse=True)},
        scoring="neg_mean_squared_error",
        cv=GroupKFold(folds, shuffle=seed is not None, random_state=seed),
        refit=False,
        error_score="raise",
    )
    chosen = _choice(search, lesson)
    return _among(lesson.fitted, chosen) or _linear(*_final(search, lesson), chosen)


Numbers = tuple[float, ...]
Found = tuple[Numbers, Numbers, tuple[Numbers, ...], Numbers]  # mean, std, weights, biases


def _logistic_search(lesson: Lesson[P], *, count: int) -> GridSearchCV:
    """The search for the C of a logistic regression that tells `count` classes apart."""
    settings, seed = lesson.settings, lesson.seed
    members = [lesson.subjects[lesson.target == each] for each in range(count)]
    folds = _folds(settings.folds, min(len(np.unique(subjects)) for subjects in members))
    return GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        {"logisticregression__C": sorted(settings.inverse_regularisation)},
        scoring=_log_likelihood,
        cv=StratifiedGroupKFold(folds, shuffle=seed is not None, random_state=seed),
        refit=False,
        error_score="raise",
    )


def _choice(search: GridSearchCV, lesson: Lesson[P]) -> float:
    """The regularisation that cross-validation chooses."""
    search.fit(lesson.codes, lesson.target, groups=lesson.subjects)
    return float(next(iter(search.best_params_.values())))


def _final(search: GridSearchCV, lesson: Lesson[P]) -> Found:
    """What is fitted to all codes with the regularisation that was chosen."""
    pipeline = clone(search.estimator).set_params(**search.best_params_)
    scaler, model = pipeline.fit(lesson.codes, lesson.target)
    return (
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
        tuple(tuple(row) for row in np.atleast_2d(model.coef_).tolist()),
        tuple(np.atleast_1d(model.intercept_).tolist()),
    )


def _among(fitted: Sequence[P], chosen: float) -> P | None:
    return next((probe for probe in fitted if probe.regularisation == chosen), None)


def _linear(
    mean: Numbers, std: Numbers, weights: tuple[Numbers, ...], biases: Numbers, chosen: float
) -> LinearProbe:
    return LinearProbe(mean, std, weights[0], biases[0], chosen)


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
