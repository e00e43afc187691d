"""A brain laid on the template's brain by an affine: quickly, as a start for registration."""

import numpy as np
from scipy import ndimage

from ldae.preprocessing.images import Image, Matrix, coarsen
from ldae.preprocessing.linear import Step, register
from ldae.preprocessing.template import load_template

COARSE_MM = 8.0
REFINE = (Step("Affine", iterations=(30,), shrink=(1,), blur=(0,), sampled=0.3),)
FROM_MIDDLE = tuple(
    Step(kind, iterations=(100,), shrink=(1,), blur=(1,), sampled=0.5)
    for kind in ("Rigid", "Similarity")
)


def align_brain(brain: Image, start: Matrix | None = None) -> Matrix:
    """The affine from template to image millimetres.

    Args:
        brain: the image, 0 outside the brain.
        start: where to begin; None: middle on middle, through more degrees of freedom.

    Raises:
        ScanError: ANTs gives up.
    """
    target, moving = load_template(COARSE_MM).brain, coarsen(brain, COARSE_MM)
    if start is not None:
        return register(target, moving, start=start, steps=REFINE)
    onto_middle = np.eye(4)
    onto_middle[:3, 3] = _middle(moving) - _middle(target)
    return register(target, moving, start=onto_middle, steps=(*FROM_MIDDLE, *REFINE))


def _middle(image: Image) -> Matrix:
    voxels = ndimage.center_of_mass(image.data > 0)
    return np.asarray(image.affine[:3, :3] @ voxels + image.affine[:3, 3])
