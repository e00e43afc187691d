"""A Gaussian of many dimensions from few samples: probabilistic principal components."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ldae.config import Section

MOST_AXES = 16
TINY = 1e-9


class Gaussian(Section):
    """Variances along `axes` (K, D), and one variance, `rest`, along all others.

    Tipping and Bishop (1999), Probabilistic principal component analysis.
    """

    centre: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    rest: float

    @classmethod
    def fit(cls, samples: NDArray[Any]) -> Self:
        """To samples (N, D), N at least 2."""
        values = np.asarray(samples, np.float64)
        count, dim = values.shape
        centre = values.mean(axis=0)
        _, singular, axes = np.linalg.svd(values - centre, full_matrices=False)
        variances = singular**2 / (count - 1)
        kept = max(1, min(MOST_AXES, count // 4, len(variances) - 1))
        floor = max(float(variances.sum()) / dim * 1e-3, TINY)
        return cls(
            centre=plain(centre),
            axes=tuple(plain(axis) for axis in axes[:kept]),
            variances=plain(np.maximum(variances[:kept], floor)),
            rest=max(float(variances[kept:].sum()) / max(dim - kept, 1), floor),
        )

    def squared(self, sample: NDArray[Any]) -> float:
        """Squared Mahalanobis distance of a sample (D,), over D."""
        departure = np.asarray(sample, np.float64) - np.array(self.centre)
        along = np.array(self.axes) @ departure
        beyond = max(float(departure @ departure - along @ along), 0.0)
        far = float((along**2 / np.array(self.variances)).sum()) + beyond / self.rest
        return far / len(departure)


def plain(values: NDArray[Any]) -> tuple[float, ...]:
    """As Python's own numbers."""
    return tuple(float(value) for value in values)
