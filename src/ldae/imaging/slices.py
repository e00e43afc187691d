"""Whether the files of a DICOM image are the slices of one volume, judged by their headers.

dcm2niix cannot be asked alone: it takes the voxel size of the first file for that of all, invents
positions that are missing, and drops one of two slices at the same place, all with exit code 0.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from ldae.imaging.failure import ConversionError
from ldae.imaging.headers import DAMAGED, START, parse_dicom, spacing_of

_MAY_SPLIT = ("EchoTime", "EchoNumbers", "StudyDate", "StudyTime", "ImageType")
_TAGS = (
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    *_MAY_SPLIT,
)
_SAME_PLACE_MM = 0.01
_UNEVEN = 0.01  # of the distance between slices, or
_UNEVEN_MM = 0.1  # where positions were written with one decimal


@dataclass(frozen=True)
class Stack:
    """The files of one volume."""

    files: tuple[Path, ...]  # without copies
    slices: int
    slice_voxels: int
    bytes: int  # of all pixels
    varying: tuple[str, ...]  # elements that differ between files, for which dcm2niix may split


@dataclass(frozen=True)
class _Plane:
    """What is needed of the header of one file."""

    file: Path
    series: str
    rows: int
    columns: int
    frames: int
    bytes: int
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    may_split: tuple[str, ...]


def stack_slices(
    files: Sequence[Path], *, expected: int | None, source: str | None, max_bytes: int
) -> Stack:
    """The files of one volume, each slice once.

    Args:
        files: of one image; byte-identical copies are left out.
        expected: number of slices by a table or the archive's metadata, if known.
        source: the name of that table.
        max_bytes: largest size of all pixels together.

    Raises:
        ConversionError: if they are anything but all slices of one volume.
    """
    planes = _read(files)
    size = sum(plane.bytes for plane in planes)
    if size > max_bytes:
        raise ConversionError("too_large", f"{size / 1e6:g} MB, more than {max_bytes / 1e6:g} MB")
    if all(plane.frames == 1 for plane in planes):
        planes = _judge_geometry(planes, expected)
    slices = sum(plane.frames for plane in planes)
    if expected and slices < expected:
        raise ConversionError("truncated", f"{slices} of {expected} slices by {source}")
    varying = [
        name
        for name, *values in zip(_MAY_SPLIT, *(plane.may_split for plane in planes), strict=True)
        if len(set(values)) > 1
    ]
    return Stack(
        files=tuple(plane.file for plane in planes),
        slices=slices,
        slice_voxels=planes[0].rows * planes[0].columns,
        bytes=size,
        varying=tuple(varying),
    )


def _read(files: Sequence[Path]) -> list[_Plane]:
    planes, faults = [], []
    for file in files:
        try:
            with file.open("rb") as stream:
                planes.append(_plane(file, parse_dicom(stream.read(START), _TAGS)))
        except NotImplementedError as error:
            faults.append(str(error))
        except DAMAGED:
            faults.append("damaged, or none")
    if faults:
        raise ConversionError(
            "unreadable_dicom",
            f"no image header in {len(faults)} of {len(files)} files ({faults[0]})",
        )
    return planes


def _plane(file: Path, dataset: pydicom.Dataset) -> _Plane:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    values = rows * columns * frames * int(dataset.get("SamplesPerPixel") or 1)
    return _Plane(
        file=file,
        series=str(dataset.get("SeriesInstanceUID")),
        rows=rows,
        columns=columns,
        frames=frames,
        bytes=values * max(1, int(dataset.get("BitsAllocated") or 16) // 8),
        spacing=spacing_of(dataset.get("PixelSpacing")),
        orientation=_finite(dataset.get("ImageOrientationPatient"), 6),
        position=_finite(dataset.get("ImagePositionPatient"), 3),
        may_split=tuple(str(dataset.get(name)) for name in _MAY_SPLIT),
    )


def _finite(numbers: Sequence[float] | None, count: int) -> tuple[float, ...]:
    values = tuple(map(float, numbers if numbers is not None else ()))
    return values if len(values) == count and np.isfinite(values).all() else ()


def _judge_geometry(planes: list[_Plane], expected: int | None) -> list[_Plane]:
    """Planes without copies, each at a place of its own and all equally far from the next."""
    _require_one_series(planes)
    positions, along = _places(planes)
    if (np.diff(np.sort(along)) < _SAME_PLACE_MM).any():
        planes = _without_copies(planes)
        positions, along = _places(planes)
    order = np.argsort(along)
    gaps = np.diff(along[order])
    repeated = int((gaps < _SAME_PLACE_MM).sum())
    if repeated:
        raise ConversionError(
            "several_volumes", f"{len(planes)} different slices at {len(planes) - repeated} places"
        )
    if len(planes) < 3:
        return planes
    step = float(gaps.min())
    allowed = max(_UNEVEN_MM, _UNEVEN * step)
    steps = np.rint(gaps / step)
    whole = int(steps.sum()) + 1
    # Where slices are missing, the others still stand on the points of one grid.
    grid = np.concatenate([[0.0], np.cumsum(steps)])[:, None] / (whole - 1)
    first, last = positions[order[0]], positions[order[-1]]
    off = np.abs(first + grid * (last - first) - positions[order]).max()
    if off > allowed or whole > 2 * len(planes):
        raise ConversionError("uneven_slices", f"{gaps.min():g} to {gaps.max():g} mm apart")
    if whole > len(planes):
        raise ConversionError(
            "missing_slices", f"{len(planes)} of {max(whole, expected or 0)} slices"
        )
    return planes


def _require_one_series(planes: Sequence[_Plane]) -> None:
    series = len({plane.series for plane in planes})
    if series > 1:
        each = series == len(planes)
        raise ConversionError(
            "several_volumes", "each file is a series of its own" if each else f"{series} series"
        )
    if not all(len(plane.spacing) == 2 for plane in planes):
        raise ConversionError("no_voxel_size", "dcm2niix would assume 1 mm")
    if not all(plane.orientation and plane.position for plane in planes):
        raise ConversionError("no_position", "nothing says where its slices are")
    for name, tolerance in {"rows": 0, "columns": 0, "spacing": 1e-4, "orientation": 1e-3}.items():
        values = np.array([getattr(plane, name) for plane in planes], dtype=float)
        if np.ptp(values, axis=0).max() > tolerance:
            raise ConversionError("several_volumes", f"slices of different {name}")


def _places(planes: Sequence[_Plane]) -> tuple[np.ndarray, np.ndarray]:
    """Positions in mm, and how far each is along the normal of the slices."""
    positions = np.array([plane.position for plane in planes])
    orientation = np.array(planes[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    length = np.linalg.norm(normal)
    if not 0.9 < length < 1.1:
        raise ConversionError("no_position", "the directions of its slices are none")
    return positions, positions @ (normal / length)


def _without_copies(planes: Sequence[_Plane]) -> list[_Plane]:
    """One of the files with the same bytes."""
    kept: dict[bytes, _Plane] = {}
    for plane in planes:
        with plane.file.open("rb") as stream:
            kept.setdefault(hashlib.file_digest(stream, "sha256").digest(), plane)
    return list(kept.values())
