"""What dcm2niix makes of one DICOM image, believed only after a look at what came out.

dcm2niix exits with 0 after most failures: gaps make it resample, mixed series make it write several
volumes, a damaged file is left out. So it sees the files of one image id and nothing else, in
an own folder of links, and exactly one volume with every slice has to come out.
"""

import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib

from ldae.adni.headers import Header
from ldae.adni.selection import Exclusion

_TIMEOUT = 600  # seconds; a large series takes a few


class ConversionError(Exception):
    """An image that does not become one whole volume."""

    def __init__(self, reason: str, detail: str | None = None):
        super().__init__(reason, detail)
        self.exclusion = Exclusion(reason, detail)


def convert_dicom(
    files: Sequence[Path], header: Header | None, workspace: Path
) -> tuple[Path, dict[str, Any]]:
    """Convert the files of one image in the empty folder `workspace`.

    Returns the uncompressed NIfTI file, with the scanner's affine and voxels, and its sidecar.

    Raises:
        ConversionError: if anything but one whole volume comes out.
    """
    if header is None:
        raise ConversionError("unreadable_dicom", f"no image header in {files[0].name}")
    if not header.spacing_mm and header.shape[2] == len(files):
        raise ConversionError("no_voxel_size", "dcm2niix would assume 1 mm")
    links, out = workspace / "in", workspace / "out"
    links.mkdir()
    out.mkdir()
    for file in files:
        (links / file.name).symlink_to(file.resolve())
    warnings = _run(links, out)
    fault = _inspect(out, slices=header.shape[2], slice_voxels=math.prod(header.shape[:2]))
    if fault:
        reason, detail = fault
        raise ConversionError(reason, "; ".join([detail, *warnings[:3]]))
    sidecar = json.loads((out / "T1w.json").read_text(encoding="utf-8", errors="replace"))
    return out / "T1w.nii", sidecar


def _run(links: Path, out: Path) -> list[str]:
    """Run dcm2niix, its own defaults file ignored; returns what it complains about."""
    options = ["-g", "i", "-d", "0", "-b", "y", "-ba", "y", "-z", "n", "-w", "2", "-f", "T1w"]
    try:
        run = subprocess.run(
            [dcm2niix.bin, *options, "-o", str(out), str(links)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError("timeout", f"dcm2niix ran longer than {_TIMEOUT} s") from None
    # Without the workspace's random name, so that the same download gives the same table.
    lines = run.stdout.replace(f"{links}/", "").replace(f"{out}/", "").splitlines()
    return [line for line in lines if line.startswith(("Warning", "Error"))]


def _inspect(out: Path, *, slices: int, slice_voxels: int) -> tuple[str, str] | None:
    """What is wrong with the output: a reason and its detail."""
    volumes = sorted(path.name for path in out.glob("*.nii"))
    if not volumes:
        return "unreadable_dicom", "dcm2niix wrote nothing"
    # A gap makes dcm2niix add a resampled copy, T1w_Eq_1.nii; any other name is another volume.
    if volumes[0] != "T1w.nii" or not all(name.startswith(("T1w.", "T1w_Eq")) for name in volumes):
        return "several_volumes", f"dcm2niix wrote {', '.join(volumes)}"
    shape = nib.load(out / "T1w.nii").shape
    came_out = math.prod(shape) // slice_voxels
    if came_out != slices:
        return "unreadable_dicom", f"{came_out} of {slices} slices came out"
    if len(volumes) > 1:
        return "missing_slices", "slices are not equally spaced"
    if len(shape) != 3:
        return "several_volumes", f"shape {'x'.join(map(str, shape))}"
    return None
