"""What an image says of itself before conversion: the header of its first file."""

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nibabel as nib
import pydicom
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from pydicom.errors import InvalidDicomError

from ldae.adni.inventory import FoundImage
from ldae.adni.tables import parse_date, parse_sex, parse_years

_TAGS = [
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
]


@dataclass(frozen=True)
class Header:
    """Size, time and person of an image, as far as its first file tells."""

    shape: tuple[int, ...]  # voxels along each axis
    spacing_mm: tuple[float, ...]  # of the leading axes, as far as known before conversion
    acquired: datetime | None = None
    series_number: int = 0
    age: float | None = None  # years
    sex: str | None = None  # F, M


def read_header(image: FoundImage, download: Path) -> Header | None:
    """The header of an image, or None where its first file cannot be read."""
    first = download / image.files[0]
    return _read_dicom(first, len(image.files)) if image.format == "DICOM" else _read_nifti(first)


def _read_dicom(path: Path, files: int) -> Header | None:
    # A damaged file can fail anywhere in the parser; these are the errors it is known to raise.
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        frames = int(dataset.get("NumberOfFrames") or 1)
        return Header(
            shape=(int(dataset.Columns), int(dataset.Rows), frames * files),
            spacing_mm=tuple(map(float, dataset.get("PixelSpacing") or ())),
            acquired=_acquired(dataset),
            series_number=int(dataset.get("SeriesNumber") or 0),
            age=parse_years(str(dataset.get("PatientAge") or "")),
            sex=parse_sex(str(dataset.get("PatientSex") or "")),
        )
    except (
        InvalidDicomError,
        AttributeError,
        EOFError,
        KeyError,
        NotImplementedError,
        OSError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ):
        return None


def _read_nifti(path: Path) -> Header | None:
    try:
        header = nib.load(path).header
        return Header(
            shape=tuple(map(int, header.get_data_shape())),
            spacing_mm=tuple(map(float, header.get_zooms()[:3])),
        )
    except (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, zlib.error):
        return None


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
