"""The scan of a session as a NIfTI file: the best candidate that converts."""

import gzip
import hashlib
import math
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from ldae.adni.dicom import ConversionError, convert_dicom
from ldae.adni.selection import Candidate, Exclusion, judge_size
from ldae.bids import sidecar_path
from ldae.config import Selection
from ldae.runtime import write_json


@dataclass(frozen=True)
class Converted:
    """A session's scan as written, or none, and the better ones that could not be converted."""

    scan: Candidate | None
    sidecar: dict[str, Any]
    sha256: str  # of the compressed file
    failures: tuple[tuple[Candidate, Exclusion], ...]


def convert_session(
    ranked: Sequence[Candidate], target: Path, *, download: Path, limits: Selection
) -> Converted:
    """Convert the first of `ranked` that can be to `target` (`.nii.gz`), with its sidecar."""
    failures = []
    for scan in ranked:
        with tempfile.TemporaryDirectory(prefix="ldae-") as workspace:
            try:
                volume, sidecar = _convert(scan, download, Path(workspace))
                _require_head(volume, limits)
            except ConversionError as error:
                failures.append((scan, error.exclusion))
                continue
            write_json(sidecar_path(target), sidecar)
            return Converted(scan, sidecar, _compress(volume, target), tuple(failures))
    return Converted(None, {}, "", tuple(failures))


def _convert(scan: Candidate, download: Path, workspace: Path) -> tuple[Path, dict[str, Any]]:
    files = [download / file for file in scan.image.files]
    if scan.image.format == "DICOM":
        return convert_dicom(files, scan.header, workspace)
    return _unpack_nifti(files, workspace)


def _unpack_nifti(files: Sequence[Path], workspace: Path) -> tuple[Path, dict[str, Any]]:
    """The archive's own NIfTI file, unchanged but for its compression; nothing is known of it."""
    if len(files) != 1:
        raise ConversionError("several_volumes", f"{len(files)} NIfTI files")
    try:
        content = files[0].read_bytes()
        if files[0].suffix.lower() == ".gz":
            content = gzip.decompress(content)
        header = nib.Nifti1Header.from_fileobj(BytesIO(content))
    except (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, zlib.error) as error:
        raise ConversionError("unreadable_nifti", str(error) or type(error).__name__) from None
    shape = header.get_data_shape()
    size = header.get_data_offset() + math.prod(shape) * header.get_data_dtype().itemsize
    if len(content) < size:
        raise ConversionError("unreadable_nifti", f"{len(content)} of {size} bytes are there")
    if len(shape) < 3 or math.prod(shape[3:]) != 1:
        raise ConversionError("several_volumes", f"shape {'x'.join(map(str, shape))}")
    volume = workspace / "T1w.nii"
    volume.write_bytes(content)
    return volume, {"Modality": "MR"}


def _require_head(volume: Path, limits: Selection) -> None:
    """Hold the limits against what is only known now: the distance between slices."""
    header = nib.load(volume).header
    fault = judge_size(header.get_data_shape(), header.get_zooms()[:3], limits)
    if fault:
        raise ConversionError(fault.reason, fault.detail)


def _compress(volume: Path, target: Path) -> str:
    """Write `volume` compressed, the same bytes for the same content; returns their SHA-256."""
    packed = BytesIO()
    # The time in a gzip header would make every run's file differ.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0, compresslevel=6) as file:
        file.write(volume.read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()
