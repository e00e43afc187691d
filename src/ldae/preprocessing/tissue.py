"""Three classes of signal inside a T1-weighted brain: CSF, grey and white matter."""

import numpy as np
from numpy.typing import NDArray

from ldae.preprocessing.images import FEWEST, Array

ROUNDS = 30
START_PERCENTILES = (5, 35, 80)


def tissue_centres(values: Array) -> NDArray[np.floating] | None:
    """Mean signal (3,) of CSF, grey and white matter by k-means; None of too few voxels."""
    if values.size < FEWEST:
        return None
    centres = np.percentile(values, START_PERCENTILES)
    for _ in range(ROUNDS):
        nearest = tissue_classes(values, centres)
        centres = np.array(
            [values[nearest == k].mean() if (nearest == k).any() else centres[k] for k in range(3)]
        )
    return centres


def tissue_classes(values: Array, centres: NDArray[np.floating]) -> NDArray[np.intp]:
    """Which of the three centres is nearest to each value: 0 CSF, 1 grey, 2 white matter."""
    return np.digitize(values, (centres[1:] + centres[:-1]) / 2)
