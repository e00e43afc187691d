"""DICOM series as an archive holds them: one file per slice, real geometry, a scanner's tags.

What a series' files share is encoded once by pydicom, and what differs from slice to slice is
spliced in: writing ten thousand whole data sets would take longer than the rest of the cohort.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

Pixels = NDArray[np.uint16]

SAGITTAL = (0, 1, 0, 0, 0, -1)  # direction cosines (LPS) along a row, then down a column
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)


@dataclass(frozen=True)
class Slice:
    """One image: pixels (rows, columns), where the first of them lies (mm, LPS), and the plane."""

    pixels: Pixels
    position: tuple[float, float, float]
    plane: tuple[int, ...]


def sagittal_slices(volume: Pixels, voxel_mm: float) -> list[Slice]:
    """Cut a RAS `volume` (X, Y, Z) around the isocentre into slices, left to right."""
    x, y, z = _half_extent(volume, voxel_mm)
    return [
        Slice(volume[index, ::-1, ::-1].T, (x - index * voxel_mm, -y, z), SAGITTAL)
        for index in range(volume.shape[0])
    ]


def localizer_slices(volume: Pixels, voxel_mm: float) -> list[Slice]:
    """Three slices some 16 mm apart through the middle of `volume` (X, Y, Z), in each plane."""
    x, y, z = _half_extent(volume, voxel_mm)
    across, along, up = (_around_middle(size, voxel_mm) for size in volume.shape)
    sagittal = sagittal_slices(volume, voxel_mm)
    return [
        *(sagittal[i] for i in across),
        *(Slice(volume[::-1, i, ::-1].T, (-x, y - i * voxel_mm, z), CORONAL) for i in along),
        *(Slice(volume[::-1, ::-1, i].T, (-x, -y, i * voxel_mm - z), AXIAL) for i in up),
    ]


def uid(*parts: int | str) -> str:
    """A unique identifier that depends on `parts` alone."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def encode_series(header: Dataset, slices: Sequence[Slice], *, voxel_mm: float) -> list[bytes]:
    """The files of a series, one per slice.

    `header` holds what all of them share, SeriesInstanceUID included; geometry, pixels and the
    identifiers of the images are added here.
    """
    shared = {int(element.tag): _encode(element) for element in _with_geometry(header, voxel_mm)}
    files = []
    for number, piece in enumerate(slices, start=1):
        instance = uid(header.SeriesInstanceUID, number)
        rows, columns = piece.pixels.shape
        pixels = np.ascontiguousarray(piece.pixels, "<u2").tobytes()
        own = {
            0x00080018: _text(0x00080018, b"UI", instance),
            0x00200013: _text(0x00200013, b"IS", str(number)),
            0x00200032: _numbers(0x00200032, piece.position),
            0x00200037: _numbers(0x00200037, piece.plane),
            0x00280010: _element(0x00280010, b"US", struct.pack("<H", rows)),
            0x00280011: _element(0x00280011, b"US", struct.pack("<H", columns)),
            0x7FE00010: _long_element(0x7FE00010, b"OW", pixels),
        }
        body = b"".join(encoded for _, encoded in sorted((shared | own).items()))
        files.append(_preamble(instance) + body)
    return files


def _with_geometry(header: Dataset, voxel_mm: float) -> Dataset:
    whole = Dataset()
    whole.update(header)
    whole.SOPClassUID = MRImageStorage
    whole.SliceThickness = voxel_mm
    whole.PixelSpacing = [voxel_mm, voxel_mm]
    whole.SamplesPerPixel = 1
    whole.PhotometricInterpretation = "MONOCHROME2"
    whole.BitsAllocated, whole.BitsStored, whole.HighBit = 16, 12, 11
    whole.PixelRepresentation = 0
    return whole


def _half_extent(volume: Pixels, voxel_mm: float) -> list[float]:
    return [(size - 1) / 2 * voxel_mm for size in volume.shape]


def _around_middle(size: int, voxel_mm: float) -> range:
    step = max(round(16 / voxel_mm), 1)
    return range(size // 2 - step, size // 2 + step + 1, step)


def _preamble(instance: str) -> bytes:
    """The 128 empty bytes, the magic word and the file meta information (group 0002)."""
    meta = (
        _long_element(0x00020001, b"OB", b"\x00\x01")
        + _text(0x00020002, b"UI", MRImageStorage)
        + _text(0x00020003, b"UI", instance)
        + _text(0x00020010, b"UI", ExplicitVRLittleEndian)
        + _text(0x00020012, b"UI", uid("ldae"))
    )
    return bytes(128) + b"DICM" + _element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta


def _encode(element: object) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element)  # type: ignore[arg-type]
    return buffer.getvalue()


def _numbers(tag: int, values: Sequence[float]) -> bytes:
    return _text(tag, b"DS", "\\".join(f"{value:.10g}" for value in values))


def _text(tag: int, kind: bytes, text: str) -> bytes:
    padding = b"\0" if kind == b"UI" else b" "
    value = text.encode("ascii")
    return _element(tag, kind, value + padding * (len(value) % 2))


def _element(tag: int, kind: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, kind, len(value)) + value


def _long_element(tag: int, kind: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, kind, 0, len(value)) + value
