import json

import nibabel as nib
import numpy as np
import pytest
import torch

from ldae.data.single_scan import load_single_scan
from ldae.errors import UserError
from ldae.models.ldae import load_ldae
from ldae.stages.encode import encode
from ldae.stages.reconstruct import reconstruct


def first_scan(run):
    return run.derivatives / run.rows["volume"].iloc[0]


def test_encode_writes_the_codes_of_the_model(run, tmp_path):
    scan = first_scan(run)
    encode(scan, models=run.models, output=tmp_path, devices=0)
    name = scan.name.removesuffix(".nii.gz")
    codes = np.load(tmp_path / f"{name}_codes.npz")
    x = torch.from_numpy(nib.load(scan).get_fdata(dtype=np.float32))[None, None]
    model = load_ldae(run.models, device=torch.device("cpu"))
    np.testing.assert_allclose(codes["y_sem"], model.encode(x)[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(codes["latent"], model.to_latent(x)[0], rtol=1e-4, atol=1e-5)
    summary = json.loads((tmp_path / f"{name}_codes.json").read_text())
    assert summary["y_sem"]["dimensions"] == codes["y_sem"].size


def test_reconstruct_keeps_the_scans_space(run, tmp_path):
    scan = first_scan(run)
    reconstruct(scan, models=run.models, output=tmp_path, steps=3, devices=0)
    name = scan.name.removesuffix(".nii.gz") + "_reconstruction"
    made, original = nib.load(tmp_path / f"{name}.nii.gz"), nib.load(scan)
    np.testing.assert_allclose(made.affine, original.affine)
    assert made.shape == original.shape
    values = made.get_fdata()
    assert 0 <= values.min() <= values.max() <= 1
    scores = json.loads((tmp_path / f"{name}.json").read_text())["scores"]
    mse = np.mean((values - original.get_fdata()) ** 2)
    assert scores["encoded"]["mse"] == pytest.approx(mse, rel=1e-3)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_another_grid_is_refused_with_both_shapes(run, tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    nib.save(image, tmp_path / "other.nii.gz")
    expected = r"4 x 5 x 6 voxels of 2 x 2 x 2 mm.*8 x 12 x 8 .*20 x 20 x 20 mm.*ldae preprocess"
    for stage in (encode, reconstruct):
        with pytest.raises(UserError, match=expected):
            stage(tmp_path / "other.nii.gz", models=run.models, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("spacing", "fits"), [(20.1, True), (20.5, False), (19.5, False)])
def test_another_spacing_is_refused_with_both(run, spacing, fits, tmp_path):
    image = nib.load(first_scan(run))
    other = nib.Nifti1Image(image.get_fdata(dtype=np.float32), np.diag([20, 20, spacing, 1]))
    nib.save(other, tmp_path / "other.nii.gz")
    grid = {"shape": (8, 12, 8), "spacing_mm": (20.0, 20.0, 20.0)}
    if fits:
        assert load_single_scan(tmp_path / "other.nii.gz", **grid).name == "other"
        return
    expected = rf"20 x 20 x {spacing} mm, .* 20 x 20 x 20 mm; run `ldae preprocess"
    with pytest.raises(UserError, match=expected):
        load_single_scan(tmp_path / "other.nii.gz", **grid)


def test_raw_intensities_are_refused(run, tmp_path):
    values = np.full((8, 12, 8), 900, np.float32)
    values[0] = 0
    affine = np.diag([20.0, 20.0, 20.0, 1.0])
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "raw.nii.gz")
    with pytest.raises(UserError, match=r"from 0 to 900, expected within \[0, 1\]"):
        encode(tmp_path / "raw.nii.gz", models=run.models, output=tmp_path, devices=0)


def test_no_steps_are_refused(run, tmp_path):
    with pytest.raises(UserError, match="at least one step"):
        reconstruct(first_scan(run), models=run.models, output=tmp_path, steps=0)
