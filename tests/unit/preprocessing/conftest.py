"""Heads to preprocess: synthetic ones of 4 mm voxels, and the real one where it is at hand."""

import os

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # before anything imports ANTs

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ldae.config import Preprocessing
from ldae.preprocessing.images import Image, resample
from ldae.preprocessing.template import load_head, load_template

REAL_HEAD = Path(__file__).parents[4] / "shared/data/head_T1w.nii.gz"


@pytest.fixture(scope="session")
def settings() -> Preprocessing:
    return Preprocessing.model_validate(
        {
            "grid": {"shape": [24, 32, 24], "spacing_mm": 6.5},
            "bias": {"resolution_mm": 4, "shrink_factor": 3, "iterations": [30, 30]},
            "brain": {"method": "template", "resolution_mm": 4, "masks": None},
            "registration": {"transform": "affine", "resolution_mm": 4},
            "intensity": {"rule": "percentile", "percentiles": [0, 99.5]},
        }
    )


def nod(degrees: float, shift_mm: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Rigid movement, head to template millimetres."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    movement = np.eye(4)
    movement[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    movement[:3, 3] = shift_mm
    return movement


@pytest.fixture(scope="session")
def head() -> tuple[Image, np.ndarray]:
    """A synthetic head (60x68x60 of 4 mm), nodded by 8 degrees, noisy, shaded; its brain."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-118, -150, -108]
    grid = Image(np.zeros((60, 68, 60), np.float32), affine)
    movement = nod(8, (3, -4, 5))
    signal = resample(load_head(4.0).image, grid, movement).data
    brain = resample(load_template(4.0).mask, grid, movement).data > 0.5
    rng = np.random.default_rng(0)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in grid.data.shape], indexing="ij")
    shaded = signal * np.exp(0.2 * x - 0.15 * y * z)
    noise = rng.normal(0, 0.02, (2, *grid.data.shape))
    return grid.with_data(np.hypot(shaded + noise[0], noise[1])), brain


@pytest.fixture(scope="session")
def head_file(head, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("head") / "sub-A_ses-M000_T1w.nii.gz"
    nib.save(nib.Nifti1Image((head[0].data * 800).astype(np.int16), head[0].affine), path)
    return path


@pytest.fixture(scope="session")
def real_head() -> Path:
    if not REAL_HEAD.is_file():
        pytest.skip(f"{REAL_HEAD} is not on this machine")
    return REAL_HEAD
