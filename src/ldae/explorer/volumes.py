"""Volumes and pictures as text inside the page: 8 bits per voxel, compressed."""

import base64
import gzip
import io
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = 255
HEADER_BYTES = 352  # of a NIfTI-1 file, with four that say there is no extension
QUALITY, EFFORT = 75, 2  # of WebP: a sixth of the PNG, in a fiftieth of a second


def quantise(volume: NDArray[Any]) -> NDArray[np.uint8]:
    """A volume (X, Y, Z) in [0, 1], clipped to that, as 256 levels."""
    return (np.clip(volume, 0, 1) * LEVELS).round().astype(np.uint8)


def pack(volume: NDArray[Any]) -> str:
    """A volume (X, Y, Z) in [0, 1] as base64 of gzip'd bytes, x fastest, as NIfTI has it."""
    voxels = quantise(volume).tobytes(order="F")
    return base64.b64encode(gzip.compress(voxels, compresslevel=9, mtime=0)).decode()


def unpack(text: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """What the page shows of a packed volume: (X, Y, Z) in [0, 1]."""
    voxels = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8)
    volume: NDArray[np.float32] = np.asarray(voxels.reshape(shape, order="F") / LEVELS, np.float32)
    return volume


def nifti_header(shape: tuple[int, ...], affine: NDArray[Any], dtype: str) -> str:
    """The first 352 bytes of a NIfTI-1 file as base64: voxels follow; a level is 1/255."""
    header = nib.Nifti1Header(endianness="<")
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header.set_sform(affine, code="mni")
    header.set_qform(affine, code="mni")
    header.set_xyzt_units("mm")
    header["vox_offset"] = HEADER_BYTES
    header["scl_slope"], header["scl_inter"] = 1 / LEVELS, 0
    return base64.b64encode(header.binaryblock.ljust(HEADER_BYTES, b"\0")).decode()


def small_picture(png: bytes) -> str:
    """A picture as a data URI of a smaller format."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(small, "WEBP", quality=QUALITY, method=EFFORT)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"
