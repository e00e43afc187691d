"""A raw head becomes a brain on the grid: right, repeatable, and finished only when complete."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.errors import UserError
from ldae.preprocessing.bias import correct_bias, head_mask
from ldae.preprocessing.brain import dice
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.grid import make_grid, scale_intensities, template_on_grid
from ldae.preprocessing.images import Image, resample
from ldae.preprocessing.outputs import outputs_of
from ldae.preprocessing.reading import read_image
from ldae.preprocessing.scan import is_finished, preprocess_scan
from ldae.preprocessing.source import Source
from ldae.preprocessing.template import brain_centre, load_head, load_template


def source_of(path, sha256="abc") -> Source:
    return Source(path, sha256, f"bids:raw:{path.name}")


@pytest.fixture(scope="module")
def finished(head_file, settings, tmp_path_factory):
    outputs = outputs_of(
        "sub-A", "ses-M000", settings, derivatives=tmp_path_factory.mktemp("derivatives")
    )
    preprocess_scan(source_of(head_file), outputs, settings)
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
    assert kept["quality"]["template_dice"] > 0.92
    assert kept["quality"]["border_cm2"] == 0.0
    assert kept["quality"]["symmetry"] > 0.8
    assert kept["extraction"]["pose_correlation"] > 0.8
    for sidecar in (finished.quality, finished.volume_sidecar, finished.native_mask_sidecar):
        said = json.loads(sidecar.read_text())
        assert said["Settings"] == settings.model_dump(mode="json")
        assert {"ldae", "recipe", "antspyx", "nilearn"} <= said["Versions"].keys()
        assert said["Sources"] == ["bids:raw:sub-A_ses-M000_T1w.nii.gz"]
        for transform in said["Transforms"].values():
            assert (finished.transform.parent / transform).is_file()


def test_every_file_is_there_and_the_picture_opens(finished):
    from matplotlib.image import imread

    assert all(path.stat().st_size for path in finished)
    picture = imread(finished.figure)
    assert picture.shape[:2] == (6 * 144, 6 * 144)
    assert {tuple(colour) for colour in (picture.reshape(-1, 4) * 255).astype(int)} >= {
        (0, 0, 0, 255),
        (255, 51, 51, 255),
        (51, 255, 102, 255),
    }


def test_the_native_mask_lies_on_the_raw_voxels(finished, head, head_file):
    mask, raw = nib.load(finished.native_mask), nib.load(head_file)
    np.testing.assert_array_equal(mask.affine, raw.affine)
    assert dice(mask.get_fdata() > 0, head[1]) > 0.93


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
    preprocess_scan(source_of(head_file), again, settings)
    for first, second in zip(finished, again, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_a_scan_is_finished_until_image_settings_or_files_change(
    finished, head_file, settings, tmp_path
):
    source = source_of(head_file)
    assert is_finished(source, finished, settings)
    assert not is_finished(source_of(head_file, "abd"), finished, settings)
    with_aid = Source(source.image, source.image_sha256, source.reference, (head_file,))
    assert not is_finished(with_aid, finished, settings)
    other = settings.model_copy(
        update={"intensity": settings.intensity.model_copy(update={"rule": "minmax"})}
    )
    assert not is_finished(source, finished, other)
    copy = outputs_of("sub-A", "ses-M000", settings, derivatives=tmp_path)
    for path, target in zip(finished, copy, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert is_finished(source, copy, settings)
    for path in copy:
        whole = path.read_bytes()
        path.unlink()
        assert not is_finished(source, copy, settings), path.name
        path.write_bytes(whole)
    copy.volume.write_bytes(copy.volume.read_bytes()[:-9])
    assert not is_finished(source, copy, settings)
    copy.quality.write_text('{"fingerprint": ')
    assert not is_finished(source, copy, settings)


def test_what_a_scan_is_made_from_is_never_overwritten(head_file, settings, tmp_path):
    outputs = outputs_of("sub-A", "ses-M000", settings, derivatives=tmp_path)
    outputs.native_mask.parent.mkdir(parents=True)
    outputs.native_mask.write_text("drawn by hand")
    source = Source(head_file, "abc", "x", (outputs.native_mask,))
    with pytest.raises(UserError, match="would be overwritten"):
        preprocess_scan(source, outputs, settings)
    assert outputs.native_mask.read_text() == "drawn by hand"


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
    preprocess_scan(source_of(path), outputs, none)
    assert json.loads(outputs.quality.read_text())["quality"]["template_dice"] > 0.92


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_not_a_head(settings, tmp_path, seed):
    noise = np.random.default_rng(seed).random((50, 50, 50), dtype=np.float32)
    path = tmp_path / "noise.nii.gz"
    nib.save(nib.Nifti1Image(noise, np.diag([4, 4, 4, 1.0])), path)
    outputs = outputs_of("sub-C", "ses-M000", settings, derivatives=tmp_path)
    with pytest.raises(ScanError, match=r"^(no-head|brain-|no-contrast)"):
        preprocess_scan(source_of(path), outputs, settings)
    assert not outputs.quality.exists()


@pytest.mark.parametrize("transform", ["rigid", "syn"])
def test_other_transforms(head_file, settings, tmp_path, transform):
    other = settings.model_copy(
        update={"registration": settings.registration.model_copy(update={"transform": transform})}
    )
    made = []
    for name in "ab":
        outputs = outputs_of("sub-A", "ses-M000", other, derivatives=tmp_path / name)
        preprocess_scan(source_of(head_file), outputs, other)
        made.append(outputs)
    figures = json.loads(made[0].quality.read_text())["quality"]
    assert figures["template_dice"] > 0.93
    for first, second in zip(*made, strict=True):
        if first.suffix != ".h5":  # HDF5 holds the time of writing
            assert first.read_bytes() == second.read_bytes(), first.name
    assert made[0].inverse.stat().st_size == made[1].inverse.stat().st_size


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
