"""Intensity inhomogeneity: N4 on a coarse copy, its smooth field applied at full resolution.

Source: Tustison et al. 2010, doi:10.1109/TMI.2010.2046908.
"""

import ants
import numpy as np

from ldae.config import BiasCorrection
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, Mask, coarsen, resample
from ldae.preprocessing.linear import to_ants

TOLERANCE = 1e-7  # ANTs' default convergence threshold
FIELD_LIMITS = (0.1, 10.0)  # beyond these the field is an artefact of air


def head_mask(image: Image) -> Mask:
    """Voxels of tissue rather than air: above half of Otsu's threshold, so that dark CSF counts."""
    counts, edges = np.histogram(image.data, bins=256, range=(0, 1))
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = below[-1] + counts[-1] - below
    sums = np.cumsum(counts * centres)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    return np.asarray(image.data > edges[1:-1][between.argmax()] / 2)


def correct_bias(image: Image, settings: BiasCorrection) -> Image:
    """The image divided by its bias field, whose geometric mean over the head is 1.

    Raises:
        ScanError: N4 gave up.
    """
    coarse = coarsen(image, settings.resolution_mm)
    head = head_mask(coarse)
    try:
        field = ants.n4_bias_field_correction(
            to_ants(coarse),
            mask=to_ants(coarse.with_data(head)),
            shrink_factor=settings.shrink_factor,
            convergence={"iters": list(settings.iterations), "tol": TOLERANCE},
            return_bias_field=True,
        ).numpy()
    except RuntimeError as error:
        raise ScanError("bias-failed", str(error)) from None
    field = field / np.exp(np.log(np.maximum(field[head], FIELD_LIMITS[0])).mean())
    fine = resample(coarse.with_data(np.clip(field, *FIELD_LIMITS)), image)
    return image.with_data(image.data / fine.data)
