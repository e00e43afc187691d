"""What linear probes are asked: of which scans, the truth, and what is known without any."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.config import Probe
from ldae.metrics.probe import (
    LinearProbe,
    age_statistics,
    diagnosis_statistics,
    fit_age,
    fit_diagnosis,
)
from ldae.metrics.statistics import Array, Statistic

POSITIVE, NEGATIVE = "AD", "CN"


@dataclass(frozen=True)
class Task:
    """One question: `eligible` picks its scans, `target` their truth `(N,)`."""

    name: str
    eligible: Callable[[pd.DataFrame], "pd.Series[bool]"]
    target: Callable[[pd.DataFrame], NDArray[Any]]
    fit: Callable[[NDArray[Any], NDArray[Any], NDArray[Any], Probe], LinearProbe]
    predict: Callable[[LinearProbe, NDArray[Any]], Array]
    statistics: Callable[[NDArray[Any], NDArray[Any]], dict[str, Statistic]]
    demographics: tuple[str, ...]  # what `demographics` may tell for it


AD_VS_CN = Task(
    name="ad_vs_cn",
    eligible=lambda rows: rows["diagnosis"].isin([POSITIVE, NEGATIVE]),
    target=lambda rows: np.asarray(rows["diagnosis"] == POSITIVE),
    fit=fit_diagnosis,
    predict=LinearProbe.probability,
    statistics=diagnosis_statistics,
    demographics=("age", "male"),
)
AGE = Task(
    name="age",
    eligible=lambda rows: rows["age"].notna(),
    target=lambda rows: rows["age"].to_numpy(np.float64),
    fit=fit_age,
    predict=LinearProbe.score,
    statistics=age_statistics,
    demographics=("male",),
)
TASKS = (AD_VS_CN, AGE)


def demographics(rows: pd.DataFrame, task: Task, *, mean_age: float) -> Array:
    """What is known of scans without looking, `(N, features)`: age (years), sex (1 male, 0 female).

    An unknown age counts as `mean_age`, that of the training scans; an unknown sex as one half.
    """
    male = rows["sex"].map({"M": 1.0, "F": 0.0}).fillna(0.5)
    known = pd.DataFrame({"age": rows["age"].fillna(mean_age), "male": male})
    return known[list(task.demographics)].to_numpy(np.float64)
