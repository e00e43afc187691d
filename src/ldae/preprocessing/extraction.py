"""One function for every way to a brain; which one is a setting."""

from pathlib import Path

from ldae.config import BrainExtraction
from ldae.preprocessing.alignment import align_brain
from ldae.preprocessing.brain import Brain, require_plausible
from ldae.preprocessing.given_brain import nonzero_voxels, supplied_mask
from ldae.preprocessing.images import Image
from ldae.preprocessing.network_brain import network_mask
from ldae.preprocessing.template_brain import find_brain


def extract_brain(image: Image, settings: BrainExtraction, aids: tuple[Path, ...] = ()) -> Brain:
    """The brain of a bias-corrected image.

    Args:
        image: the scan.
        settings: the method, and the voxel size it works on.
        aids: the files that the method needs beside the image (`source.find_aids`).

    Raises:
        ScanError: no brain is found, or what was found cannot be one.
        UserError: the method's software is not installed.
    """
    if settings.method == "template":
        brain = find_brain(image, settings.resolution_mm)
        require_plausible(brain.mask)
        return brain
    if settings.method == "mask":
        mask = supplied_mask(aids[0], image)
    elif settings.method == "antspynet":
        mask = network_mask(image, aids)
    else:
        mask = nonzero_voxels(image)
    require_plausible(mask)
    return Brain(mask, align_brain(image.with_data(image.data * mask.data)), {})
