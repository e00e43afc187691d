"""A real head, neck in view, in the paper's settings: the brain, and nothing but the brain."""

import json
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.brain import Brain, dice, volume_ml
from ldae.preprocessing.extraction import extract_brain
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, resample
from ldae.preprocessing.outputs import Outputs, outputs_of
from ldae.preprocessing.reading import read_image
from ldae.preprocessing.scan import preprocess_scan
from ldae.preprocessing.source import Source
from ldae.preprocessing.verdict import faults
from ldae.stages.preprocess import PAPER

pytestmark = pytest.mark.slow

SETTINGS = PAPER.preprocessing
AXIS_ORDERS = ("PSR", "LAS")


def extract(path) -> tuple[Image, Brain]:
    image = correct_bias(read_image(path), SETTINGS.bias)
    return image, extract_brain(image, SETTINGS.brain)


@pytest.fixture(scope="module")
def reference(real_head) -> tuple[Image, Brain]:
    return extract(real_head)


@pytest.fixture(scope="module")
def finished(real_head, tmp_path_factory) -> Outputs:
    derivatives = tmp_path_factory.mktemp("derivatives")
    outputs = outputs_of("sub-A", "ses-1", SETTINGS, derivatives=derivatives)
    preprocess_scan(Source(real_head, "x", "x"), outputs, SETTINGS)
    return outputs


def test_the_mask_is_a_brain(reference):
    image, brain = reference
    mask = brain.mask.data > 0.5
    assert 1450 <= volume_ml(brain.mask) <= 1650
    assert ndimage.label(mask)[1] == 1
    assert ndimage.label(~mask)[1] == 1  # no holes
    # Scalp and orbital fat are brighter than white matter, sinuses dark; hardly any may be inside.
    white = np.median(image.data[ndimage.binary_erosion(mask, iterations=20)])
    assert (image.data[mask] > 1.5 * white).mean() < 0.002
    assert (image.data[mask] < 0.1 * white).mean() < 0.01
    # Little tissue lies close outside: the mask hugs the cortex.
    rim = ndimage.binary_dilation(mask, iterations=2) & ~mask
    assert (image.data[rim] > 0.6 * white).mean() < 0.15
    assert brain.figures["pass_agreement_dice"] > 0.98


def turned(file, axes):
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(file.affine), nib.orientations.axcodes2ornt(axes)
    )
    return file.as_reoriented(turn)


def on_voxels_of(file, spacing, degrees=0.0):
    """The head on other voxels, the scanner's axes nodded by some degrees."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axes = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    shape = np.ceil(np.array(file.shape) * file.header.get_zooms() / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    middle = file.affine[:3, :3] @ (np.array(file.shape) / 2) + file.affine[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ (shape / 2)
    grid = Image(np.zeros(shape, np.float32), affine)
    image = Image(np.asarray(file.dataobj, dtype=np.float32), file.affine)
    return resample(image, grid).data, affine


def moved(kind, file):
    """The same head as another scanner would store it."""
    data, affine = np.asarray(file.dataobj, dtype=np.float32), file.affine.copy()
    if kind.upper() in AXIS_ORDERS:
        other = turned(file, kind.upper())
        return np.asarray(other.dataobj), other.affine
    if kind == "1x1x1.2 mm":
        return on_voxels_of(file, [1.0, 1.0, 1.2])
    if kind == "oblique":
        return on_voxels_of(file, [1.0, 1.0, 1.0], degrees=15)
    if kind == "no neck":
        affine[:3, 3] += affine[:3, :3] @ [0, 0, 25]
        return data[:, :, 25:], affine
    if kind == "scaled":
        return data * 1000, affine
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in data.shape], indexing="ij")
    return data * np.exp(0.5 * x + 0.4 * y - 0.4 * z + 0.4 * x * y - 0.3 * z * z), affine


@pytest.mark.parametrize(
    "kind", ["psr", "las", "1x1x1.2 mm", "oblique", "no neck", "scaled", "shaded"]
)
def test_the_mask_does_not_depend_on_how_the_head_was_stored(kind, reference, real_head, tmp_path):
    data, affine = moved(kind, nib.load(real_head))
    path = tmp_path / "moved.nii.gz"
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    mask = extract(path)[1].mask
    assert dice(resample(reference[1].mask, mask).data > 0.5, mask.data > 0.5) >= 0.95
    assert 1450 <= volume_ml(mask) <= 1650
    assert ndimage.label(mask.data)[1] == 1


def test_the_volume_is_as_the_paper_has_it(finished):
    volume = nib.load(finished.volume)
    data = volume.get_fdata()
    assert volume.shape == (128, 160, 128)
    assert volume.header.get_zooms() == pytest.approx([1.5] * 3)
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert (data.min(), data.max()) == (0.0, 1.0)
    assert (data[nib.load(finished.mask).get_fdata() == 0] == 0).all()


def test_it_passes_the_papers_thresholds_with_room(finished):
    quality = json.loads(finished.quality.read_text())["quality"]
    assert not list(faults(quality, PAPER.quality))
    assert quality["template_dice"] > 0.95
    assert quality["template_correlation"] > 0.8
    assert quality["symmetry"] > 0.9
    assert quality["snr"] > 12
    assert quality["cjv"] < 0.9
    assert quality["border_cm2"] == 0.0


def test_another_process_writes_the_same_bytes(finished, real_head, tmp_path):
    image = tmp_path / "sub-A_ses-1_T1w.nii.gz"
    image.symlink_to(real_head)
    program = "import sys; from ldae.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "preprocess", str(image), "-o", str(tmp_path / "d")]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"})
    again = outputs_of("sub-A", "ses-1", SETTINGS, derivatives=tmp_path / "d")
    for one, other in zip(finished, again, strict=True):
        if one.suffix != ".json":  # which name the source
            assert one.read_bytes() == other.read_bytes(), one.name
    figures = [json.loads(outputs.quality.read_text())["quality"] for outputs in (finished, again)]
    assert figures[0] == figures[1]


def test_light_and_dark_swapped_as_by_t2_is_no_t1(real_head, tmp_path):
    file = nib.load(real_head)
    data = np.asarray(file.dataobj, dtype=np.float32)
    signal = data / np.percentile(data[data > 0], 99.5)
    t2_like = np.interp(
        signal, [0, 0.05, 0.12, 0.25, 0.5, 0.75, 1, 1.5], [0, 0.03, 0.3, 1, 0.55, 0.35, 0.3, 0.4]
    )
    for name, voxels in (("t2", t2_like), ("inverted", data.max() - data)):
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(voxels.astype(np.float32), file.affine), path)
        with pytest.raises(ScanError, match=r"^wrong-contrast: "):
            extract(path)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (np.s_[50:], "brain cut by the image's edge in more than 40 cm²"),  # half of one side
        (np.s_[:, 45:], "brain cut by the image's edge in more than 40 cm²"),  # occipital lobes
        (np.s_[:, :, :-30], "brain cut by the image's edge in more than 40 cm²"),  # vertex
    ],
)
def test_a_brain_that_is_cut_is_called_so(real_head, tmp_path, part, reason):
    image = nib.load(real_head).slicer[part]
    nib.save(image, tmp_path / "cut.nii.gz")
    outputs = outputs_of("sub-A", "ses-1", SETTINGS, derivatives=tmp_path)
    preprocess_scan(Source(tmp_path / "cut.nii.gz", "x", "x"), outputs, SETTINGS)
    quality = json.loads(outputs.quality.read_text())["quality"]
    assert reason in [found for found, _ in faults(quality, PAPER.quality)]
