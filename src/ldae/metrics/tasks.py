"""What linear probes are asked: of which scans, the truth, and what is known without any."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.errors import UserError
from ldae.metrics.calibration import class_calibration, two_class_calibration
from ldae.metrics.classification import class_statistics, two_class_statistics
from ldae.metrics.paper_probe import fit_age_as_paper, fit_diagnosis_as_paper
from ldae.metrics.probe import (
    ClassProbe,
    Lesson,
    LinearProbe,
    P,
    fit_age,
    fit_classes,
    fit_diagnosis,
)
from ldae.metrics.regression import error_statistics
from ldae.metrics.statistics import Array, Statistic

POSITIVE, NEGATIVE = "AD", "CN"
CLASSES = ("CN", "MCI", "AD")


@dataclass(frozen=True)
class Task(Generic[P]):
    """One question: `eligible` picks its scans, `target` their truth `(N,)`."""

    name: str
    eligible: Callable[[pd.DataFrame], "pd.Series[bool]"]
    target: Callable[[pd.DataFrame], NDArray[Any]]
    fit: Callable[[Lesson[P]], P]
    predict: Callable[[P, NDArray[Any]], Array]
    statistics: Callable[[NDArray[Any], NDArray[Any]], dict[str, Statistic]]
    demographics: tuple[str, ...]  # what `demographics` may tell for it
    as_paper: bool = False  # fitted and scored as the paper's code does


def _of_two(positive: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    return {
        **two_class_statistics(positive, probability),
        **two_class_calibration(positive, probability),
    }


def _of_two_as_paper(positive: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    """Its labels are in alphabetical order: CN is the positive class."""
    return _of_two(~np.asarray(positive, bool), 1 - np.asarray(probability))


def _of_classes(truth: NDArray[Any], probability: NDArray[Any]) -> dict[str, Statistic]:
    return {**class_statistics(truth, probability), **class_calibration(truth, probability)}


def _diagnosed(*diagnoses: str) -> Callable[[pd.DataFrame], "pd.Series[bool]"]:
    return lambda rows: rows["diagnosis"].isin(diagnoses)


def _is_positive(rows: pd.DataFrame) -> NDArray[Any]:
    return np.asarray(rows["diagnosis"] == POSITIVE)


AD_VS_CN = Task(
    name="ad_vs_cn",
    eligible=_diagnosed(POSITIVE, NEGATIVE),
    target=_is_positive,
    fit=fit_diagnosis,
    predict=LinearProbe.probability,
    statistics=_of_two,
    demographics=("age", "male"),
)
AGE = Task(
    name="age",
    eligible=lambda rows: rows["age"].notna(),
    target=lambda rows: rows["age"].to_numpy(np.float64),
    fit=fit_age,
    predict=LinearProbe.score,
    statistics=error_statistics,
    demographics=("male",),
)
CN_MCI_AD = Task(
    name="cn_mci_ad",
    eligible=_diagnosed(*CLASSES),
    target=lambda rows: rows["diagnosis"].map(CLASSES.index).to_numpy(int),
    fit=partial(fit_classes, count=len(CLASSES)),
    predict=ClassProbe.probabilities,
    statistics=_of_classes,
    demographics=("age", "male"),
)
AD_VS_CN_AS_PAPER = Task(
    name="ad_vs_cn_as_paper",
    eligible=AD_VS_CN.eligible,
    target=AD_VS_CN.target,
    fit=fit_diagnosis_as_paper,
    predict=LinearProbe.probability,
    statistics=_of_two_as_paper,
    demographics=AD_VS_CN.demographics,
    as_paper=True,
)
AGE_AS_PAPER = Task(
    name="age_as_paper",
    eligible=AGE.eligible,
    target=AGE.target,
    fit=fit_age_as_paper,
    predict=LinearProbe.score,
    statistics=AGE.statistics,
    demographics=AGE.demographics,
    as_paper=True,
)
# The networks trained for a task, by the name of their model.
SUPERVISED = {"supervised-diagnosis": AD_VS_CN, "supervised-age": AGE}
TASKS: tuple[Task[Any], ...] = (AD_VS_CN, AGE, CN_MCI_AD, AD_VS_CN_AS_PAPER, AGE_AS_PAPER)


def demographics(rows: pd.DataFrame, task: Task[Any], *, mean_age: float) -> Array:
    """What is known of scans without looking, `(N, features)`: age (years), sex (1 male, 0 female).

    An unknown age counts as `mean_age`, that of the training scans; an unknown sex as one half.
    """
    male = rows["sex"].map({"M": 1.0, "F": 0.0}).fillna(0.5)
    known = pd.DataFrame({"age": rows["age"].fillna(mean_age), "male": male})
    return known[list(task.demographics)].to_numpy(np.float64)


def trained_for(model: str) -> Task:
    """The task that a supervised network was trained for, by the name of its model.

    Raises:
        UserError: there is no such network.
    """
    if model not in SUPERVISED:
        raise UserError(f"{model}: no supervised network; expected {' or '.join(SUPERVISED)}")
    return SUPERVISED[model]
