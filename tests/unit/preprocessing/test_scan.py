"""A raw head becomes a brain on the grid: right, repeatable, and finished only when complete."""

import json
from dataclasses import fields

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.preprocessing.bias import correct_bias, head_mask
from ldae.preprocessing.brain import dice, extract_brain, whole_image
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.grid import make_grid, scale_intensities, template_on_grid
from ldae.preprocessing.images import Image, read_image, resample
from ldae.preprocessing.outputs import outputs_of
from ldae.preprocessing.scan import is_finished, preprocess_scan
from ldae.preprocessing.template import brain_centre, load_head, load_template


@pytest.fixture(scope="module")
def finished(head_file, settings, tmp_path_factory):
    outputs = outputs_of(
        "sub-A", "ses-M000", settings, derivatives=tmp_path_factory.mktemp("derivatives")
    )
    preprocess_scan(head_file, outputs, settings, image_sha256="abc")
    return outputs


def load(path):
    file = nib.load(path)
    return Image(file.get_fdata(dtype=np.float32), file.affine)


def test_the_volume_is_on_the_grid_in_range_with_zero_background(finished, settings):
    volume, mask = load(finished.volume), load(finished.mask)
    assert volume.data.shape == mask.data.shape == settings.grid.shape
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.spacing == pytest.approx([6.5] * 3)
    assert volume.data.min() == 0.0
    assert volume.data.max() == 1.0
    assert (volume.data[mask.data == 0] == 0).all()
    assert set(np.unique(mask.data)) == {0, 1}
    assert ndimage.label(mask.data)[1] == 1
    assert nib.load(finished.volume).get_data_dtype() == np.float32


def test_the_brain_is_where_the_template_has_it(finished, settings):
    volume, mask = load(finished.volume), load(finished.mask)
    template, template_mask = template_on_grid(settings.grid)
    assert dice(mask.data > 0, template_mask) > 0.92
    both = (mask.data > 0) & template_mask
    assert np.corrcoef(volume.data[both], template.data[both])[0, 1] > 0.8


def test_figures_settings_and_versions_are_kept(finished, settings):
    kept = json.loads(finished.quality.read_text())
    assert kept["settings"] == settings.model_dump(mode="json")
    assert {"ldae", "recipe", "antspyx", "nilearn"} <= kept["versions"].keys()
    assert kept["quality"]["template_dice"] > 0.92
    assert kept["quality"]["border_fraction"] == 0.0
    assert kept["extraction"]["pose_correlation"] > 0.8


def test_every_file_is_there_and_the_picture_opens(finished):
    from matplotlib.image import imread

    assert all(getattr(finished, field.name).stat().st_size for field in fields(finished))
    assert imread(finished.figure).ndim == 3


def test_the_transforms_are_inverse_to_each_other(finished):
    import ants

    forward, inverse = (
        ants.read_transform(str(path)) for path in (finished.transform, finished.inverse)
    )
    point = (12.0, -30.0, 25.0)
    there = forward.apply_to_point(point)
    assert inverse.apply_to_point(there) == pytest.approx(point, abs=1e-3)


def test_same_image_and_settings_give_the_same_bytes(finished, head_file, settings, tmp_path):
    again = outputs_of("sub-A", "ses-M000", settings, derivatives=tmp_path)
    preprocess_scan(head_file, again, settings, image_sha256="abc")
    for field in fields(finished):
        first, second = getattr(finished, field.name), getattr(again, field.name)
        assert first.read_bytes() == second.read_bytes(), field.name


def test_a_scan_is_finished_until_image_settings_or_files_change(
    finished, head_file, settings, tmp_path
):
    assert is_finished(finished, settings, image_sha256="abc")
    assert not is_finished(finished, settings, image_sha256="abd")
    other = settings.model_copy(
        update={"intensity": settings.intensity.model_copy(update={"rule": "minmax"})}
    )
    assert not is_finished(finished, other, image_sha256="abc")
    copy = outputs_of("sub-A", "ses-M000", settings, derivatives=tmp_path)
    for field in fields(finished):
        target = getattr(copy, field.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(getattr(finished, field.name).read_bytes())
    assert is_finished(copy, settings, image_sha256="abc")
    copy.volume.write_bytes(copy.volume.read_bytes()[:-9])
    assert not is_finished(copy, settings, image_sha256="abc")
    copy.quality.write_text('{"fingerprint": ')
    assert not is_finished(copy, settings, image_sha256="abc")


def test_brain_of_a_synthetic_head(head, settings):
    image, truth = head
    brain = extract_brain(correct_bias(image, settings.bias), 4.0)
    assert dice(brain.mask.data > 0, truth) > 0.93
    assert ndimage.label(brain.mask.data)[1] == 1


def test_bias_correction_follows_the_shading(head, settings):
    image, truth = head
    corrected = correct_bias(image, settings.bias)
    inside = ndimage.binary_erosion(truth)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in image.data.shape], indexing="ij")
    shading = (0.2 * x - 0.15 * y * z)[inside]
    found = np.log(image.data[inside] / corrected.data[inside])
    assert np.corrcoef(shading, found)[0, 1] > 0.7
    assert (shading - found).std() < 0.85 * shading.std()


def test_head_mask_takes_tissue_and_leaves_air():
    template = load_head(4.0).image
    rng = np.random.default_rng(1)
    noisy = template.with_data(np.abs(template.data + rng.normal(0, 0.02, template.data.shape)))
    mask = head_mask(noisy)
    assert mask[template.data > 0.5].mean() > 0.99
    assert mask[template.data < 0.01].mean() < 0.01


def test_a_stripped_brain_needs_no_extraction(settings, tmp_path):
    brain = load_template(4.0).brain
    inside = resample(load_template(4.0).mask, brain).data > 0.5
    path = tmp_path / "stripped.nii.gz"
    padded = np.pad(brain.data * inside * 500, 4)
    affine = brain.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [4, 4, 4]
    affine[:3, 3] += [10, -15, 20]
    nib.save(nib.Nifti1Image(padded.astype(np.int16), affine), path)
    none = settings.model_copy(
        update={"brain": settings.brain.model_copy(update={"method": "none"})}
    )
    outputs = outputs_of("sub-B", "ses-M000", none, derivatives=tmp_path)
    preprocess_scan(path, outputs, none, image_sha256="x")
    assert json.loads(outputs.quality.read_text())["quality"]["template_dice"] > 0.92


def test_a_head_with_skull_is_not_taken_for_stripped(head):
    with pytest.raises(ScanError, match=r"^not-stripped: "):
        whole_image(head[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_not_a_head(settings, tmp_path, seed):
    noise = np.random.default_rng(seed).random((50, 50, 50), dtype=np.float32)
    path = tmp_path / "noise.nii.gz"
    nib.save(nib.Nifti1Image(noise, np.diag([4, 4, 4, 1.0])), path)
    outputs = outputs_of("sub-C", "ses-M000", settings, derivatives=tmp_path)
    with pytest.raises(ScanError, match=r"^(no-head|brain-|no-contrast)"):
        preprocess_scan(path, outputs, settings, image_sha256="x")
    assert not outputs.quality.exists()


def test_inverted_contrast_is_not_a_head(head, settings):
    image, _ = head
    inverted = image.with_data(np.where(head_mask(image), 1.1 - image.data, image.data))
    with pytest.raises(ScanError):
        extract_brain(correct_bias(inverted, settings.bias), 4.0)


@pytest.mark.parametrize("transform", ["rigid", "syn"])
def test_other_transforms(head_file, settings, tmp_path, transform):
    other = settings.model_copy(
        update={"registration": settings.registration.model_copy(update={"transform": transform})}
    )
    made = []
    for name in "ab":
        outputs = outputs_of("sub-A", "ses-M000", other, derivatives=tmp_path / name)
        preprocess_scan(head_file, outputs, other, image_sha256="abc")
        made.append(outputs)
    figures = json.loads(made[0].quality.read_text())["quality"]
    assert figures["template_dice"] > 0.93
    assert made[0].volume.read_bytes() == made[1].volume.read_bytes()
    for kind in ("transform", "inverse"):
        assert getattr(made[0], kind).stat().st_size


def test_the_grid_is_centred_on_the_brain(settings):
    grid = make_grid(settings.grid)
    middle = grid.affine[:3, :3] @ ((np.array(grid.data.shape) - 1) / 2) + grid.affine[:3, 3]
    assert middle == pytest.approx(brain_centre())
    assert brain_centre()[0] == pytest.approx(0, abs=0.51)
    _, mask = template_on_grid(settings.grid)
    whole = (load_template(1.0).mask.data > 0.5).sum()
    assert mask.sum() * 6.5**3 == pytest.approx(whole, rel=0.03)  # nothing is cut off


def test_intensity_rules(settings):
    data = np.zeros((4, 4, 4), np.float32)
    data[1:3, 1:3, 1:3] = np.arange(10, 18).reshape(2, 2, 2)
    brain, mask = Image(data, np.eye(4)), data > 0
    minmax = settings.intensity.model_copy(update={"rule": "minmax"})
    scaled = scale_intensities(brain, mask, minmax).data
    np.testing.assert_allclose(scaled[mask], data[mask] / 17)
    robust = settings.intensity.model_copy(update={"percentiles": (0.0, 50.0)})
    scaled = scale_intensities(brain, mask, robust).data
    assert scaled[mask].min() == 0.0
    assert (scaled[mask] == 1.0).sum() == 4
    assert (scaled[~mask] == 0).all()
    with pytest.raises(ScanError, match=r"^no-contrast"):
        scale_intensities(brain.with_data(mask), mask, robust)


def test_reading_back_what_was_written(finished):
    assert read_image(finished.volume).data.shape == (24, 32, 24)
