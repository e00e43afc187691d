"""A real head, neck in view, in the paper's settings: the brain, and nothing but the brain."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.brain import Brain, dice, extract_brain, volume_ml
from ldae.preprocessing.images import Image, read_image, resample
from ldae.preprocessing.outputs import outputs_of
from ldae.preprocessing.scan import preprocess_scan
from ldae.stages.preprocess import PAPER

pytestmark = pytest.mark.slow

SETTINGS = PAPER.preprocessing


def extract(path) -> tuple[Image, Brain]:
    image = correct_bias(read_image(path), SETTINGS.bias)
    return image, extract_brain(image, SETTINGS.brain.resolution_mm)


@pytest.fixture(scope="module")
def reference(real_head) -> Brain:
    return extract(real_head)[1]


def test_the_mask_is_a_brain(reference, real_head):
    image, _ = extract(real_head)
    mask = reference.mask.data > 0.5
    assert 1450 <= volume_ml(reference.mask) <= 1650
    assert ndimage.label(mask)[1] == 1
    # Scalp and orbital fat are brighter than white matter; hardly any may be inside.
    white = np.median(image.data[ndimage.binary_erosion(mask, iterations=20)])
    assert (image.data[mask] > 1.5 * white).mean() < 0.002
    assert reference.figures["pass_agreement_dice"] > 0.98


def moved(kind, file):
    """The same head as another scanner would store it."""
    data, affine = np.asarray(file.dataobj, dtype=np.float32), file.affine.copy()
    if kind == "psr":
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(affine), nib.orientations.axcodes2ornt("PSR")
        )
        turned = file.as_reoriented(turn)
        return np.asarray(turned.dataobj), turned.affine
    if kind == "anisotropic":
        grid = np.diag([1.0, 1.0, 1.2, 1.0])
        grid[:3, 3] = affine[:3, 3]
        empty = Image(np.zeros((165, 225, 139), np.float32), grid)
        return resample(Image(data, affine), empty).data, grid
    if kind == "no neck":
        affine[:3, 3] += affine[:3, :3] @ [0, 0, 25]
        return data[:, :, 25:], affine
    if kind == "scaled":
        return data * 1000, affine
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in data.shape], indexing="ij")
    return data * np.exp(0.5 * x + 0.4 * y - 0.4 * z + 0.4 * x * y - 0.3 * z * z), affine


@pytest.mark.parametrize("kind", ["psr", "anisotropic", "no neck", "scaled", "shaded"])
def test_the_mask_does_not_depend_on_how_the_head_was_stored(kind, reference, real_head, tmp_path):
    data, affine = moved(kind, nib.load(real_head))
    path = tmp_path / "moved.nii.gz"
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    mask = extract(path)[1].mask
    assert dice(resample(reference.mask, mask).data > 0.5, mask.data > 0.5) >= 0.95


def test_the_volume_is_as_the_paper_has_it(real_head, tmp_path):
    outputs = outputs_of("sub-A", "ses-1", SETTINGS, derivatives=tmp_path)
    preprocess_scan(real_head, outputs, SETTINGS, image_sha256="x")
    volume = nib.load(outputs.volume)
    data = volume.get_fdata()
    assert volume.shape == (128, 160, 128)
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert (data.min(), data.max()) == (0.0, 1.0)
    quality = json.loads(outputs.quality.read_text())["quality"]
    assert quality["template_dice"] > 0.93
    assert quality["template_correlation"] > 0.4
