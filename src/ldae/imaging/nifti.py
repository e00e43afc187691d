"""NIfTI files: what their headers say, and their bytes, held against each other.

Nothing is decompressed as a whole: a few kilobytes can unpack to more than the disk holds.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ldae.imaging.failure import ConversionError
from ldae.imaging.storage import CHUNK, Storage, StorageError

HEADER = 540  # bytes of a NIfTI-2 header, the longer one
_GZIP = b"\x1f\x8b"


def parse_header(start: bytes) -> nib.Nifti1Header:
    """The header of a NIfTI-1 or NIfTI-2 file, from its first bytes, as it is.

    Raises:
        ConversionError: if it is damaged, or tells of anything but numbers.
    """
    kind = nib.Nifti2Header if start[:4] in _encoded(HEADER) else nib.Nifti1Header
    try:
        # As it is: a check would mend what is to be judged.
        header = kind(start[: kind.sizeof_hdr], check=False)
        shape, values = header.get_data_shape(), header.get_data_dtype()
        whole = (
            header["magic"].item()[:3] in {b"n+1", b"n+2"}
            and min(shape, default=0) > 0
            and header.get_data_offset() >= kind.sizeof_hdr
            and np.isfinite(header.get_best_affine()).all()
        )
    except (HeaderDataError, LookupError, OverflowError, ValueError, WrapStructError) as error:
        raise ConversionError("unreadable_nifti", f"its header is damaged: {error}") from None
    if not whole:
        raise ConversionError("unreadable_nifti", "its header is damaged")
    if values.kind not in "iuf":
        raise ConversionError("no_intensities", f"values of type {values}")
    return header


def voxel_size(header: nib.Nifti1Header) -> tuple[float, ...]:
    """Size of a voxel along each of the axes of space, as the header has it, in mm."""
    return tuple(abs(float(size)) for size in header.get_zooms()[:3])


def size_of(header: nib.Nifti1Header) -> int:
    """Bytes of a whole file with this header."""
    voxels = math.prod(map(int, header.get_data_shape()))
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def header_in(start: bytes) -> bytes:
    """The first bytes of a file's content, where `start` may be those of the compressed file."""
    return zlib.decompressobj(31).decompress(start, HEADER) if is_packed(start) else start


def is_packed(start: bytes) -> bool:
    """Whether a file begins like one that gzip compressed, however it is named."""
    return start.startswith(_GZIP)


def unpack_nifti(file: str, target: Path, *, storage: Storage, max_bytes: int) -> None:
    """Write the content of a NIfTI file, uncompressed and without what follows its voxels.

    Raises:
        ConversionError: if the file is damaged, incomplete, or larger than `max_bytes`.
        OSError: if `target` cannot be written.
    """
    with storage.open(file) as source, target.open("wb") as copy:
        packed = is_packed(source.peek(len(_GZIP)))
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=source)) if packed else source
        written = found = size = 0
        for chunk in _chunks(stream):
            if not found:
                size = size_of(parse_header(chunk[:HEADER]))
            found += len(chunk)
            if max(found, size) > max_bytes:
                raise ConversionError(
                    "too_large", f"{max(found, size) / 1e6:g} MB, more than {max_bytes / 1e6:g} MB"
                )
            written += copy.write(chunk[: size - written])
        if not found or written < size:
            raise ConversionError(
                "unreadable_nifti", f"{found} of {size or HEADER} bytes are there"
            )


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(CHUNK)
        except StorageError:
            raise
        except (EOFError, OSError, zlib.error) as error:
            raise ConversionError("unreadable_nifti", str(error)) from None
        if not chunk:
            return
        yield chunk


def _encoded(number: int) -> set[bytes]:
    return {struct.pack(order + "i", number) for order in "<>"}
