"""Figures by which a person or a threshold judges one preprocessed scan."""

from functools import lru_cache

import numpy as np
from scipy import ndimage

from ldae.config import Grid, Preprocessing
from ldae.preprocessing.brain import Brain, dice, volume_ml
from ldae.preprocessing.grid import template_on_grid
from ldae.preprocessing.images import FWHM, Array, Image, Mask, around, pearson, smooth_for
from ldae.preprocessing.tissue import tissue_centres, tissue_classes

LIKENESS_MM = 8.0  # full width at half maximum: beyond gyri, which differ in every hemisphere
SMOOTH_VOXELS = 1.5
MAD_TO_DEVIATION = 1.4826  # of a Gaussian


def measure_quality(
    image: Image, brain: Brain, volume: Image, inside: Mask, settings: Preprocessing
) -> dict[str, float | None]:
    """Figures of one scan; None where there is too little brain to measure one.

    Args:
        image: the bias-corrected scan.
        brain: its brain, on the same grid.
        volume: the preprocessed brain on the models' grid.
        inside: its mask.
        settings: grid, and the voxel size at which tissue is told apart.

    Returns:
        `brain_ml`: volume in native space. `border_cm2`: area of brain on the faces of the field
        of view, where more of it is missing. `snr`, `cjv`: of `tissue_contrast`. `template_dice`:
        overlap with the template's brain. `template_correlation`: Pearson's of both smoothed, over
        voxels in both. `symmetry`: Pearson's of the smoothed brain and its mirror image; the middle
        of the grid is the template's plane of symmetry.
    """
    _, template_mask = template_on_grid(settings.grid)
    smooth, smooth_template = _smooth(volume), _smooth_template(settings.grid)
    both, either = inside & template_mask, inside | inside[::-1]
    snr, cjv = tissue_contrast(image, brain.mask, settings.brain.resolution_mm)
    figures = {
        "brain_ml": round(volume_ml(brain.mask), 3),
        "border_cm2": round(border_cm2(image, brain.mask), 3),
        "snr": snr,
        "cjv": cjv,
        "template_dice": dice(inside, template_mask),
        "template_correlation": pearson(smooth[both], smooth_template[both], otherwise=0.0),
        "symmetry": pearson(smooth[either], smooth[::-1][either], otherwise=0.0),
    }
    return {name: None if value is None else round(value, 6) for name, value in figures.items()}


def border_cm2(image: Image, mask: Image) -> float:
    """Area of the mask on the faces of the box that holds the image's signal.

    The box rather than the array: images are padded with zeros. A stripped image is all signal,
    so its array counts.
    """
    brain = mask.data > 0.5
    signal = image.data > 0
    seen = signal if (signal & ~brain).any() else np.ones_like(signal)
    (box,) = ndimage.find_objects(seen.astype(np.int8))
    area = 0.0
    for axis, part in enumerate(box):
        face = np.prod(np.delete(image.spacing, axis))
        ends = brain.take([part.start, part.stop - 1], axis)
        area += float(ends.sum() * face) / 100
    return area


def tissue_contrast(image: Image, mask: Image, resolution_mm: float) -> tuple[float | None, ...]:
    """Signal-to-noise ratio of white matter, and coefficient of joint variation.

    After MRIQC (Esteban et al. 2017, doi:10.1371/journal.pone.0184661): the middle of white matter
    over its spread, and the sum of both spreads over the difference of the middles (Ganzetti et al.
    2016, doi:10.3389/fninf.2016.00010), which noise, blur and residual bias raise. Middle and
    spread are robust (median, and median absolute deviation scaled to a Gaussian), since voxels
    shared by two tissues are many. The tissues are told apart on a copy smoothed to
    `resolution_mm` or a little more than a voxel, so that noise does not sort itself into classes.
    """
    inside = mask.data > 0.5
    width = max(resolution_mm, SMOOTH_VOXELS * float(image.spacing.max()))
    cut, inside = around(image, inside, 2 * width), around(mask, inside, 2 * width).data > 0.5
    smooth, voxels = smooth_for(cut, width)[inside], cut.data[inside]
    centres = tissue_centres(smooth)
    if centres is None:
        return None, None
    classes = tissue_classes(smooth, centres)
    (grey, grey_spread), (white, white_spread) = (_spread(voxels[classes == k]) for k in (1, 2))
    if not white > grey or white_spread == 0:
        return None, None
    return white / white_spread, (white_spread + grey_spread) / (white - grey)


def _smooth(image: Image) -> Array:
    width = LIKENESS_MM / FWHM / image.spacing
    return np.asarray(ndimage.gaussian_filter(image.data, width))


@lru_cache(maxsize=1)
def _smooth_template(grid: Grid) -> Array:
    return _smooth(template_on_grid(grid)[0])


def _spread(values: Array) -> tuple[float, float]:
    """Median and spread; not a number of nothing."""
    if values.size == 0:
        return float("nan"), float("nan")
    middle = float(np.median(values))
    return middle, MAD_TO_DEVIATION * float(np.median(np.abs(values - middle)))
