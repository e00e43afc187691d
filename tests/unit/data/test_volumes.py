import hashlib
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from nibabel.spatialimages import HeaderDataError

from ldae.data.volumes import VolumeSet, common_shape, load_volume, voxel_spacing
from ldae.errors import UserError


def write(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


def volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((4, 5, 6), dtype=np.float32)


def volume_set(paths: list[Path], **options: object) -> VolumeSet:
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    table = pd.DataFrame({"volume": [path.name for path in paths], "volume_sha256": hashes})
    return VolumeSet(table, paths[0].parent, **options)


def test_a_volume_keeps_its_axes_and_values(tmp_path: Path) -> None:
    loaded = load_volume(write(tmp_path / "v.nii.gz", volume(0)))
    assert loaded.dtype == torch.float32
    np.testing.assert_array_equal(loaded.numpy(), volume(0))


def test_a_set_shows_the_volumes_of_a_table(tmp_path: Path) -> None:
    volumes = volume_set([write(tmp_path / f"{i}.nii.gz", volume(i)) for i in range(3)])
    assert len(volumes) == 3
    for index in range(3):
        np.testing.assert_array_equal(volumes[index].numpy(), volume(index))
    assert common_shape(volumes) == (4, 5, 6)


def test_damaged_foreign_and_non_finite_files_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(UserError, match=r"broken\.nii\.gz"):
        load_volume(broken)
    whole = write(tmp_path / "whole.nii.gz", np.zeros((40, 40, 40), np.float32) + volume(1).mean())
    whole.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read"):
        load_volume(whole)
    with pytest.raises(UserError, match="LAS"):
        load_volume(write(tmp_path / "flipped.nii.gz", volume(0), np.diag([-1.0, 1, 1, 1])))
    with pytest.raises(UserError, match="not finite"):
        load_volume(write(tmp_path / "nan.nii.gz", np.full((2, 2, 2), np.nan, np.float32)))


@pytest.mark.parametrize(
    "error",
    [zlib.error("damaged"), HeaderDataError("no header"), TypeError("rgb"), ValueError("size")],
)
def test_whatever_nibabel_raises_is_said_with_the_file(tmp_path, monkeypatch, error) -> None:
    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr("nibabel.load", fail)
    with pytest.raises(UserError, match=rf"v\.nii\.gz: cannot be read as an image \({error}\)"):
        load_volume(tmp_path / "v.nii.gz")


def test_colours_and_flat_affines_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(UserError, match="cannot be read"):
        load_volume(write(tmp_path / "rgb.nii.gz", colours))
    flat = nib.Nifti1Image(volume(0), np.eye(4))
    flat.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    nib.save(flat, tmp_path / "flat.nii.gz")
    with pytest.raises(UserError, match=r"RAS\+.*RA\?"):
        load_volume(tmp_path / "flat.nii.gz")


def test_volumes_of_one_set_share_their_shape(tmp_path: Path) -> None:
    first = write(tmp_path / "first.nii.gz", volume(0))
    other = write(tmp_path / "other.nii.gz", volume(0)[:3])
    volumes = volume_set([first, other])
    assert common_shape(volumes) == (4, 5, 6)
    with pytest.raises(UserError, match=r"other.*\(3, 5, 6\).*first.*\(4, 5, 6\).*same grid"):
        volumes[1]


def test_the_spacing_is_read_from_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nii.gz", volume(0), np.diag([1.2, 1.5, 2.0, 1]).astype(np.float32))
    assert voxel_spacing(path) == (1.2, 1.5, 2.0)
