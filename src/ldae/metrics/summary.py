"""Tables of means with intervals over subjects, from tables of one row per scan."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.config import Bootstrap
from ldae.metrics.statistics import Statistic, divide, subject_weights, summarise


def means_by(
    scored: pd.DataFrame,
    keys: Sequence[str],
    measures: Sequence[str],
    *,
    bootstrap: Bootstrap,
    seed: int,
) -> pd.DataFrame:
    """One row per value of `keys`, by them: `measures` with `_low` and `_high`, and `n_subjects`.

    A mean is over the rows in which its measure is defined.
    """
    lines = []
    for values, group in scored.groupby(list(keys), sort=True):
        statistics = {name: defined_mean(group[name].to_numpy(float)) for name in measures}
        lines.append(
            dict(zip(keys, values, strict=True))
            | over_subjects(statistics, group, bootstrap=bootstrap, seed=seed)
            | {"n_subjects": group["participant_id"].nunique()}
        )
    return pd.DataFrame(lines)


def over_subjects(
    statistics: dict[str, Statistic], rows: pd.DataFrame, *, bootstrap: Bootstrap, seed: int
) -> dict[str, float]:
    """Each statistic of the scans `rows` with `_low` and `_high`, by bootstrap over subjects."""
    subjects = rows["participant_id"].tolist()
    weights = subject_weights(subjects, replicates=bootstrap.replicates, seed=seed)
    return summarise(statistics, weights, bootstrap.confidence)


def defined_mean(values: NDArray[np.float64]) -> Statistic:
    """The mean over those of `values` (N,) that are numbers; NaN when none is."""
    defined = ~np.isnan(values)
    numbers = np.where(defined, values, 0)
    return lambda weights: divide(weights @ numbers, weights @ defined.astype(float))


def root_mean(values: NDArray[np.float64]) -> Statistic:
    """The square root of `defined_mean`: from squared deviations (N,) to a standard deviation."""
    mean = defined_mean(values)
    return lambda weights: np.sqrt(mean(weights))
