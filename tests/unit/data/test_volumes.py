from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from ldae.data.volumes import VolumeSet, common_shape, load_volume
from ldae.errors import UserError


def write(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


def volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((4, 5, 6), dtype=np.float32)


def test_a_volume_keeps_its_axes_and_values(tmp_path: Path) -> None:
    loaded = load_volume(write(tmp_path / "v.nii.gz", volume(0)))
    assert loaded.dtype == torch.float32
    np.testing.assert_array_equal(loaded.numpy(), volume(0))


def test_the_cache_reads_each_volume_once_as_far_as_it_reaches(tmp_path, monkeypatch) -> None:
    paths = [write(tmp_path / f"{i}.nii.gz", volume(i)) for i in range(3)]
    reads: list[Path] = []
    monkeypatch.setenv("LDAE_CACHE_GIB", str(2 * 4 * 120 / 2**30))  # two volumes
    monkeypatch.setattr(
        "ldae.data.volumes.load_volume", lambda path: (reads.append(path), load_volume(path))[1]
    )
    volumes = VolumeSet(paths)
    for _ in range(2):
        for index in range(3):
            np.testing.assert_array_equal(volumes[index].numpy(), volume(index))
    assert reads == [*paths, paths[2]]
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


def test_a_cache_size_that_is_no_number_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("LDAE_CACHE_GIB", "lots")
    with pytest.raises(UserError, match="LDAE_CACHE_GIB"):
        VolumeSet([])
