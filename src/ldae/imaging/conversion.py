"""One image of a download as a compressed NIfTI file with its sidecar.

The sidecar is written last and says from which files the image was made: so its presence means that
the image is whole, and a run that was killed goes on where it stopped.
"""

import gzip
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldae.bids import sidecar_path
from ldae.config import Selection
from ldae.errors import UserError
from ldae.imaging.dicom import convert_dicom
from ldae.imaging.failure import ConversionError
from ldae.imaging.headers import spacing_of
from ldae.imaging.nifti import HEADER, is_packed, parse_header, unpack_nifti, voxel_size
from ldae.imaging.plausibility import judge_size
from ldae.imaging.sidecars import parse_sidecar, read_beside
from ldae.imaging.storage import CHUNK, Storage, StorageError
from ldae.runtime import atomic_path, sha256, write_json

_SOURCE = "SourceFiles"  # key of the sidecar

# Makes a compressed file of an uncompressed one, whose original may stand on disk.
Deliver = Callable[[Path, Path, Path | None], None]


@dataclass(frozen=True)
class RawImage:
    """The files of one image, in the spelling of `Storage`."""

    files: tuple[str, ...]
    format: str  # DICOM, NIfTI
    slices: int | None = None  # how many it has by a table or the archive's metadata
    slices_source: str | None = None


@dataclass(frozen=True)
class Converted:
    """An image as it stands in the dataset."""

    image: Path
    sha256: str  # of the compressed file
    sidecar: dict[str, Any]


def compress(volume: Path, target: Path, _original: Path | None) -> None:
    """Compress `volume`, to the same bytes for the same content."""
    # The time in a gzip header would make every run's file differ. Level 4 takes a third of the
    # time of the usual 6, for files less than 1 % larger.
    with (
        volume.open("rb") as source,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed, CHUNK)


def link(volume: Path, target: Path, original: Path | None) -> None:
    """Link to the original where that is compressed already; else compress `volume`."""
    if original and original.name.lower().endswith(".nii.gz"):
        with original.open("rb") as file:
            if is_packed(file.read(2)):
                target.symlink_to(original.resolve())
                return
    compress(volume, target, original)


@contextmanager
def scratch_of(job: Path) -> Iterator[Path]:
    """An empty folder for what a job writes on its way to `job`, a file of its own.

    The name depends on `job` alone, so that the next run clears what a killed one left.

    Raises:
        UserError: if the folder cannot be made.
    """
    digest = hashlib.sha256(os.fsencode(job.absolute())).hexdigest()
    folder = Path(tempfile.gettempdir(), f"ldae-{digest[:16]}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)  # refuses what somebody else put there
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made ({error}); set TMPDIR to a folder of yours"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def convert_image(
    image: RawImage,
    target: Path,
    *,
    storage: Storage,
    limits: Selection,
    max_bytes: int,
    scratch: Path | None = None,
    deliver: Deliver = compress,
) -> Converted:
    """Make `target` (`.nii.gz`) and its sidecar from the files of one image.

    What stands there from the same files, under the same limits, is kept.

    Args:
        image: the files.
        target: the file to write.
        storage: where the files are.
        limits: of the size of a head scan.
        max_bytes: largest size of the image, unpacked.
        scratch: folder for temporary files; None: the system's.
        deliver: `compress`, or `link` for data that stays where it is.

    Raises:
        ConversionError: if the files are anything but one whole volume of a head.
        UserError: if the disk is full or cannot be written.
    """
    try:
        described = read_beside(image.files[0], storage) if image.format == "NIfTI" else {}
        fingerprint = _fingerprint(image, described, storage, limits)
        if standing := _standing(target, fingerprint):
            return standing
        with tempfile.TemporaryDirectory(prefix="ldae-", dir=scratch) as folder:
            volume, sidecar = _unpack(image, Path(folder), storage=storage, max_bytes=max_bytes)
            _require_whole_head(volume, image, limits)
            _clear_leftovers(target)
            # Both are complete before the image takes its place, and the sidecar after it.
            with atomic_path(sidecar_path(target)) as text, atomic_path(target) as packed:
                original = storage.path(image.files[0]) if image.format == "NIfTI" else None
                deliver(volume, packed, original)
                digest = sha256(packed)
                sidecar |= described | {_SOURCE: {"Fingerprint": fingerprint, "SHA256": digest}}
                write_json(text, sidecar)
                sidecar_path(target).unlink(missing_ok=True)
    except StorageError as fault:
        raise ConversionError(fault.reason, fault.detail) from None
    except OSError as error:
        raise UserError(
            f"{target}: cannot be written ({error}); make sure of space and permissions there and"
            f" in {tempfile.gettempdir()}, then run again: images that are done are kept"
        ) from None
    return Converted(target, digest, sidecar)


def _unpack(
    image: RawImage, workspace: Path, *, storage: Storage, max_bytes: int
) -> tuple[Path, dict[str, Any]]:
    """The image as one uncompressed NIfTI file, and its sidecar."""
    if image.format == "DICOM":
        folder = workspace / "in"
        folder.mkdir()
        return convert_dicom(
            storage.extract(image.files, folder, limit_bytes=max_bytes),
            workspace,
            slices=image.slices,
            slices_source=image.slices_source,
            max_bytes=max_bytes,
        )
    if len(image.files) != 1:
        raise ConversionError("several_volumes", f"{len(image.files)} NIfTI files")
    volume = workspace / "T1w.nii"
    unpack_nifti(image.files[0], volume, storage=storage, max_bytes=max_bytes)
    return volume, {"Modality": "MR"}


def _require_whole_head(volume: Path, image: RawImage, limits: Selection) -> None:
    """Hold against the limits what is only known now: the distance between slices."""
    with volume.open("rb") as file:
        header = parse_header(file.read(HEADER))
    full = tuple(map(int, header.get_data_shape()))
    if math.prod(full[3:]) != 1:
        raise ConversionError("several_volumes", f"shape {'x'.join(map(str, full))}")
    shape = (*full, 1, 1)[:3]
    spacing = spacing_of((*voxel_size(header), 1.0, 1.0)[:3])
    if not spacing:
        raise ConversionError("no_voxel_size", "nothing says how large its voxels are")
    # Which axis counts the slices is unknown of a NIfTI file.
    if image.slices and image.slices not in shape and min(shape) < image.slices:
        detail = f"{min(shape)} of {image.slices} slices by {image.slices_source}"
        raise ConversionError("truncated", detail)
    fault = judge_size(shape, spacing, limits)
    if fault:
        raise ConversionError(fault.reason, fault.detail)


def _fingerprint(
    image: RawImage, described: dict[str, Any], storage: Storage, limits: Selection
) -> str:
    """A hash of all that decides whether the image is taken, and what becomes of it."""
    parts = [
        storage.fingerprint(image.files),
        described,
        image.slices,
        [limits.min_slices, limits.max_voxel_mm, limits.min_extent_mm],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _standing(target: Path, fingerprint: str) -> Converted | None:
    """The image that is there, if it was made from the same files."""
    path = sidecar_path(target)
    try:
        sidecar = parse_sidecar(path.read_bytes()) if path.is_file() else {}
    except (ValueError, RecursionError):
        return None
    match sidecar:
        case {"SourceFiles": {"Fingerprint": found, "SHA256": str(digest)}}:
            whole = found == fingerprint and target.is_file()
            return Converted(target, digest, sidecar) if whole else None
    return None


def _clear_leftovers(target: Path) -> None:
    """Remove what a killed run was about to write."""
    for path in (target, sidecar_path(target)):
        for leftover in path.parent.glob(f".*.{path.name}"):
            leftover.unlink()
