"""How far predicted numbers lie from true ones: each metric a function of the scans' weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldae.metrics.statistics import Array, Statistic, divide


def error_statistics(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, Statistic]:
    """Mean absolute error, root mean square error and R² of numbers `(N,)`."""
    wanted = np.asarray(truth, np.float64)
    error = np.asarray(predicted, np.float64) - wanted

    def mae(weights: Array) -> Array:
        return divide(weights @ np.abs(error), weights.sum(axis=1))

    def rmse(weights: Array) -> Array:
        return np.asarray(np.sqrt(divide(weights @ error**2, weights.sum(axis=1))))

    def r2(weights: Array) -> Array:
        centre = divide(weights @ wanted, weights.sum(axis=1))
        spread = (weights * (wanted - centre[:, None]) ** 2).sum(axis=1)
        return 1 - divide(weights @ error**2, spread)

    return {metric.__name__: metric for metric in (mae, rmse, r2)}
