"""What an image says of itself before conversion: the start of its first file."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Literal

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from ldae.imaging.failure import ConversionError
from ldae.imaging.nifti import header_in, parse_header, voxel_size
from ldae.imaging.storage import Storage
from ldae.parsing import parse_date, parse_manufacturer, parse_sex, parse_tesla, parse_years

# Doubtful values are judged here; pydicom would warn of each one of each file.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

START = 1 << 18  # bytes; what is needed of a DICOM header stands before private data and pixels
_LAST = Tag("HighBit")
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax that compresses all but the first tags

# A damaged file can fail anywhere in the parser; these are the errors it is known to raise.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_TAGS = (
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "AcquisitionDate",
    "AcquisitionTime",
    "SeriesDate",
    "SeriesTime",
    "StudyDate",
    "StudyTime",
    "SeriesNumber",
    "PatientAge",
    "PatientSex",
    "MagneticFieldStrength",
    "Manufacturer",
)


@dataclass(frozen=True)
class Header:
    """Size, time and person of an image, as far as its first file tells."""

    shape: tuple[int, ...]  # voxels along each axis
    spacing_mm: tuple[float, ...]  # of the leading axes, as far as known before conversion
    acquired: datetime | None = None
    series_number: int = 0
    age: float | None = None  # years
    sex: str | None = None  # F, M
    tesla: float | None = None  # nominal: 1.5 or 3, not 1.494 or 2.894
    manufacturer: str | None = None  # Siemens, GE, Philips, else as it calls itself


def read_header(
    storage: Storage, files: Sequence[str], image_format: Literal["DICOM", "NIfTI"]
) -> Header | None:
    """The header of an image, or None where its first file cannot be read."""
    try:
        start = storage.read_start(files[0], START)
        return _of_dicom(start, len(files)) if image_format == "DICOM" else _of_nifti(start)
    except (ConversionError, *DAMAGED):
        return None


def parse_dicom(start: bytes, tags: Sequence[str]) -> pydicom.Dataset:
    """Those of the elements `tags` that a DICOM file holds, from its first bytes.

    Raises:
        Exception: any of `DAMAGED`, here or when an element is looked at.
    """
    if _DEFLATED in start:
        raise NotImplementedError("deflated as a whole, which is not read")
    return read_partial(
        BytesIO(start),
        stop_when=lambda tag, _vr, _length: tag > _LAST,
        force=True,  # the preamble may be missing
        specific_tags=[Tag(tag) for tag in tags],
    )


def spacing_of(sizes: Sequence[float] | None) -> tuple[float, ...]:
    """Distances between voxels in mm, or none where they are missing or absurd."""
    spacing = tuple(map(float, sizes if sizes is not None else ()))
    return spacing if all(np.isfinite(size) and size > 0 for size in spacing) else ()


def _of_dicom(start: bytes, files: int) -> Header:
    dataset = parse_dicom(start, _TAGS)
    frames = int(dataset.get("NumberOfFrames") or 1)
    return Header(
        shape=(int(dataset.Columns), int(dataset.Rows), frames * files),
        spacing_mm=spacing_of(dataset.get("PixelSpacing")),
        acquired=_acquired(dataset),
        series_number=int(dataset.get("SeriesNumber") or 0),
        age=parse_years(str(dataset.get("PatientAge") or "")),
        sex=parse_sex(str(dataset.get("PatientSex") or "")),
        tesla=parse_tesla(str(dataset.get("MagneticFieldStrength") or "")),
        manufacturer=parse_manufacturer(str(dataset.get("Manufacturer") or "")),
    )


def _of_nifti(start: bytes) -> Header:
    header = parse_header(header_in(start))
    return Header(
        shape=tuple(map(int, header.get_data_shape())),
        spacing_mm=spacing_of(voxel_size(header)),
    )


def _acquired(dataset: pydicom.Dataset) -> datetime | None:
    """Local wall time of the most specific date and time that belong together."""
    for step in ("Acquisition", "Series", "Study"):
        day = parse_date(str(dataset.get(f"{step}Date") or ""))
        if day is None:
            continue
        digits = str(dataset.get(f"{step}Time") or "").partition(".")[0]
        try:
            time = datetime.strptime(digits, "%H%M%S").time()
        except ValueError:
            time = datetime.min.time()
        return datetime.combine(day, time)
    return None
