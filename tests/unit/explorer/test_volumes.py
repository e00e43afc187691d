"""Volumes survive the page within half a level, and are the NIfTI files that the viewer is told."""

import base64
import io

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ldae.explorer.volumes import nifti_header, pack, quantise, small_picture, unpack

AFFINE = np.array([[2.0, 0, 0, -7], [0, 3.0, 0, -8], [0, 0, 4.0, -9], [0, 0, 0, 1]])


@given(seed=st.integers(0, 99), shape=st.tuples(*[st.integers(1, 6)] * 3))
def test_what_comes_back_is_within_half_a_level(seed: int, shape: tuple[int, ...]) -> None:
    volume = np.random.default_rng(seed).random(shape)
    assert np.abs(unpack(pack(volume), shape) - volume).max() <= 0.5 / 255 + 1e-6


def test_what_is_beyond_the_range_is_clipped() -> None:
    assert quantise(np.array([-0.5, 0.0, 1.0, 7.0])).tolist() == [0, 0, 255, 255]


def test_the_same_volume_is_the_same_text() -> None:
    volume = np.linspace(0, 1, 60).reshape(3, 4, 5)
    assert pack(volume) == pack(volume.copy(order="F"))


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_header_and_voxels_are_a_nifti_file(dtype: str) -> None:
    levels = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    file = base64.b64decode(nifti_header(levels.shape, AFFINE, dtype)) + levels.tobytes(order="F")
    image = nib.Nifti1Image.from_bytes(file)
    np.testing.assert_allclose(image.affine, AFFINE)
    np.testing.assert_allclose(image.get_fdata(), levels / 255, atol=1e-6)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_a_picture_shrinks() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(noise).save(png, "PNG")
    uri = small_picture(png.getvalue())
    kind, _, text = uri.partition(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(text))).size == (64, 64)
    assert len(base64.b64decode(text)) < len(png.getvalue())
