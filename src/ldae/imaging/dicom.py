"""What dcm2niix makes of one DICOM image, believed only after a look at what came out.

dcm2niix exits with 0 after most failures: gaps make it resample, mixed series make it write several
volumes, a damaged file is left out. So it sees the files of one image id and nothing else, in an
own folder under plain names, and exactly one volume with every slice has to come out.
"""

import errno
import math
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib

from ldae.errors import UserError
from ldae.imaging.failure import ConversionError
from ldae.imaging.sidecars import parse_sidecar
from ldae.imaging.slices import Stack, stack_slices

_TIMEOUT = 600  # seconds; a large series takes a few
_MEMORY = 1 << 30  # bytes that dcm2niix may use besides four times those of the image
_LOG = 1 << 16  # bytes of its messages that are read
_OVERLAY = re.compile(r"T1w_ROI\d+\.nii")  # drawn on the image by the scanner


def convert_dicom(
    files: Sequence[Path],
    workspace: Path,
    *,
    slices: int | None,
    slices_source: str | None,
    max_bytes: int,
) -> tuple[Path, dict[str, Any]]:
    """Convert the files of one image, all in one folder, to the folder `workspace`.

    Returns the uncompressed NIfTI file, with the scanner's affine and voxels, and its sidecar.

    Raises:
        ConversionError: if anything but one whole volume comes out.
        OSError: if `workspace` cannot be written.
    """
    stack = stack_slices(files, expected=slices, source=slices_source, max_bytes=max_bytes)
    for copy in set(files) - set(stack.files):
        copy.unlink()
    out = workspace / "out"
    out.mkdir()
    complaints = _run(files[0].parent, out, log=workspace / "log", max_bytes=max_bytes)
    fault = _inspect(out, stack)
    if fault:
        if shutil.disk_usage(out).free < stack.bytes + _LOG:  # its complaint may be lost as well
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reason, detail = fault
        raise ConversionError(reason, "; ".join([detail, *complaints[:3]]))
    return out / "T1w.nii", _read_sidecar(out / "T1w.json")


def _run(links: Path, out: Path, *, log: Path, max_bytes: int) -> list[str]:
    """Run dcm2niix, its own defaults file ignored; returns what it complains about."""
    options = ["-g", "i", "-d", "0", "-b", "y", "-ba", "y", "-z", "n", "-w", "2", "-f", "T1w"]
    with log.open("wb") as messages:
        process = subprocess.Popen(
            [dcm2niix.bin, *options, "-o", str(out), str(links)],
            stdout=messages,
            stderr=subprocess.STDOUT,
        )
        file_limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            _limit(process, max_bytes)
            process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ConversionError("timeout", f"dcm2niix ran longer than {_TIMEOUT} s") from None
        finally:
            process.kill()
            process.wait()
    with log.open("rb") as messages:
        text = messages.read(_LOG).decode(errors="replace")
    _judge_exit(process.returncode, text, own_limit=not 0 <= file_limit < max_bytes)
    # Without the workspace's random name, so that the same download gives the same table.
    lines = text.replace(f"{links}/", "").replace(f"{out}/", "").splitlines()
    return list(dict.fromkeys(line for line in lines if line.startswith(("Warning", "Error"))))


def _limit(process: "subprocess.Popen[bytes]", max_bytes: int) -> None:
    """Bound what a hostile image can make the converter use, where the system knows how (Linux)."""
    if not hasattr(resource, "prlimit"):
        return
    limits = {
        resource.RLIMIT_FSIZE: max_bytes,
        resource.RLIMIT_AS: 4 * max_bytes + _MEMORY,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        present = resource.getrlimit(kind)
        allowed = min([wanted, *(n for n in present if n != resource.RLIM_INFINITY)])
        with suppress(ProcessLookupError):  # it is done
            resource.prlimit(process.pid, kind, (allowed, present[1]))


def _judge_exit(code: int, text: str, *, own_limit: bool) -> None:
    """Tell faults of the machine and attacks on it from faults of the image."""
    if code == -signal.SIGXFSZ and own_limit:
        raise ConversionError("too_large", "dcm2niix wrote more than is allowed")
    if code == -signal.SIGXFSZ:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    if re.search(r"^Error: Unable to write .*\(disk full\?\)", text, re.MULTILINE):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if code == -signal.SIGKILL:
        raise UserError("dcm2niix was killed, perhaps for lack of memory: give the job more of it")
    if code < 0:
        raise ConversionError("unreadable_dicom", f"dcm2niix broke off with signal {-code}")


def _inspect(out: Path, stack: Stack) -> tuple[str, str] | None:
    """What is wrong with the output: a reason and its detail."""
    volumes = sorted(path.name for path in out.glob("*.nii") if not _OVERLAY.match(path.name))
    if not volumes:
        return "unreadable_dicom", "dcm2niix wrote nothing"
    # A gap makes dcm2niix add a resampled copy, T1w_Eq_1.nii; any other name is another volume.
    if len(volumes) == 1 and volumes != ["T1w.nii"]:
        return "unusual_volume", f"dcm2niix calls it {volumes[0]}"
    if volumes[0] != "T1w.nii" or not all(name.startswith(("T1w.", "T1w_Eq")) for name in volumes):
        differing = f" as files differ in {', '.join(stack.varying)}" if stack.varying else ""
        return "several_volumes", f"dcm2niix wrote {', '.join(volumes[:4])}{differing}"
    shape = nib.load(out / "T1w.nii").shape
    came_out = math.prod(shape) // stack.slice_voxels
    if came_out != stack.slices:
        return "unreadable_dicom", f"{came_out} of {stack.slices} slices came out"
    if len(volumes) > 1:
        return "uneven_slices", "slices are not equally spaced"
    return None


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        return parse_sidecar(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConversionError("unreadable_dicom", f"its sidecar is no JSON ({error})") from None
