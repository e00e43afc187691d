"""The template head: the MNI152 tissue maps on a 2 mm grid, for ageing and a skull.

All positions are millimetres of MNI space (RAS).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

SPACING = 2.0  # mm, of the maps
LOW, HIGH = (-104.0, -140.0, -104.0), (104.0, 108.0, 120.0)  # mm: the brain and 30 mm around it
# Layers around the brain: from and to (mm outside the brain's surface), T1 signal.
SHELL = ((-2, 3, 0.22), (3, 5, 0.06), (5, 7, 0.45), (7, 9, 0.06), (9, 15, 0.85))
SHELL_DEPTHS = np.arange(-10.0, 40.0, 0.1)  # mm outside the brain's surface


@dataclass(frozen=True)
class Template:
    """Maps on the 2 mm grid, smoothed for the voxel size they will be sampled at."""

    grey: Array  # (X, Y, Z) fractions in [0, 1], as are white, brain, rim and hippocampi
    white: Array
    brain: Array
    rim: Array  # 1 at the brain's surface, falling off inwards
    hippocampi: Array
    distance: Array  # mm to the brain's surface, positive outside
    expansion: Array  # (3, X, Y, Z) unit push away from the ventricles, fading with distance
    shell: Array  # signal of skull and scalp at SHELL_DEPTHS


@cache
def load_template(voxel_mm: float) -> Template:
    """Build the maps, for sampling at `voxel_mm`, from the tissue templates nilearn brings."""
    t1 = _resample(datasets.load_mni152_template(resolution=1))
    grey = _resample(datasets.load_mni152_gm_template(resolution=1))
    white = _resample(datasets.load_mni152_wm_template(resolution=1))
    mask = _largest(
        ndimage.binary_fill_holes(
            ndimage.binary_closing((t1 > 0.1) | (grey + white > 0.2), iterations=2)
        )
    )
    grey, white = np.clip(grey, 0, 1) * mask, np.clip(white, 0, 1) * mask
    excess = np.maximum(grey + white, 1)
    grey, white = grey / excess, white / excess
    depth = ndimage.distance_transform_edt(mask, sampling=SPACING)
    outside = ndimage.distance_transform_edt(~mask, sampling=SPACING)
    ventricles = _ventricles(mask - grey - white, depth)
    # a coarse voxel averages what it covers; looking up smoothed maps comes to the same
    blur = 0.32 * voxel_mm / SPACING

    def smooth(values: NDArray[Any]) -> Array:
        return np.asarray(ndimage.gaussian_filter(values.astype(np.float32), blur))

    return Template(
        grey=smooth(grey),
        white=smooth(white),
        brain=smooth(mask),
        rim=smooth(np.exp(-depth / 7) * mask),
        hippocampi=smooth(_hippocampi()),
        distance=smooth(outside - depth),
        expansion=np.stack([smooth(part) for part in _expansion(ventricles)]),
        shell=_shell(0.4 * voxel_mm),
    )


def _resample(image: nib.Nifti1Image) -> Array:
    """A 1 mm template on the 2 mm grid, smoothed first as halving the resolution asks for."""
    data = ndimage.gaussian_filter(image.get_fdata(dtype=np.float32), 0.6)
    start = np.subtract(LOW, image.affine[:3, 3])
    shape = (np.subtract(HIGH, LOW) / SPACING).astype(int) + 1
    return np.asarray(
        ndimage.affine_transform(
            data, np.eye(3) * SPACING, offset=start, output_shape=tuple(shape), order=1
        )
    )


def _grid() -> tuple[NDArray[np.float64], ...]:
    axes = (np.arange(low, high + SPACING, SPACING) for low, high in zip(LOW, HIGH, strict=True))
    return np.meshgrid(*axes, indexing="ij", sparse=True)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(mask)
    return np.asarray(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def _ventricles(csf: Array, depth: NDArray[np.float64]) -> NDArray[np.bool_]:
    x, y, z = _grid()
    box = (np.abs(x) < 36) & (y > -62) & (y < 36) & (z > -4) & (z < 38)
    labels, _ = ndimage.label((csf > 0.5) & (depth > 18) & box)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(sizes[labels] > 150)


def _expansion(ventricles: NDArray[np.bool_]) -> Array:
    """(3, X, Y, Z): unit vectors away from the ventricles times exp(-(distance / 14 mm)^2)."""
    distance = ndimage.distance_transform_edt(~ventricles, sampling=SPACING)
    distance -= ndimage.distance_transform_edt(ventricles, sampling=SPACING)
    normal = np.stack(np.gradient(ndimage.gaussian_filter(distance, 1.5 / SPACING)))
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    weighted = normal * np.exp(-((np.maximum(distance, 0) / 14) ** 2))
    return np.stack([ndimage.gaussian_filter(part, 1 / SPACING) for part in weighted])


def _hippocampi() -> NDArray[np.float64]:
    x, y, z = _grid()
    parts = (
        np.exp(-0.5 * (((x - side * 27) / 7) ** 2 + ((y + 21) / 12) ** 2 + ((z + 15) / 7) ** 2))
        for side in (-1, 1)
    )
    return np.asarray(sum(parts))


def _shell(blur_mm: float) -> Array:
    signal = np.zeros_like(SHELL_DEPTHS)
    for low, high, value in SHELL:
        signal[(low <= SHELL_DEPTHS) & (high > SHELL_DEPTHS)] = value
    return np.asarray(ndimage.gaussian_filter1d(signal, blur_mm / 0.1), np.float32)
