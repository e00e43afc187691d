"""Weights that others have published: where they are, how to know them, and how to fetch them.

Nothing here needs more than Python, so that a download starts wherever there is a network.
"""

import logging
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from ldae.errors import UserError
from ldae.runtime import sha256, write_json

ATTEMPTS = 5  # each goes on where the one before was cut off
PATIENCE = 60.0  # seconds without a byte
PAUSE = 2.0  # seconds before the second attempt, twice as many before the third, ...
CHUNK = 1 << 20
CHECKSUMS = "checksums.json"


@dataclass(frozen=True)
class PublicFile:
    """A file on the internet; `serves` says what cannot be computed without it."""

    name: str
    address: str
    sha256: str
    serves: str


TORCHVISION = "https://download.pytorch.org/models/"
MEDICALNET = (
    "https://huggingface.co/TencentMedicalNet/MedicalNet-Resnet10/resolve/"
    "2a0c8cd91b82beb69610b60cb76d9eb8cbf9eac7/"  # a revision, which cannot change
)
# torchvision's names carry the first eight digits of the checksum; its publisher gives no others.
# The rest, and MedicalNet's, are as several who use the files have recorded them.
SQUEEZENET = PublicFile(
    "squeezenet1_1-b8a52dc0.pth",
    f"{TORCHVISION}squeezenet1_1-b8a52dc0.pth",
    "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    "LPIPS, as a metric and in the autoencoder's loss (ImageNet; its heads come with `lpips`)",
)
CONVNEXT_SMALL = PublicFile(
    "convnext_small-0c510722.pth",
    f"{TORCHVISION}convnext_small-0c510722.pth",
    "0c510722adfd92966a2bd72b92f785ca05966bbac03cafe2f7a90b1f54bfab9a",
    "slice encoders that start from ImageNet (initialise: imagenet)",
)
MEDICALNET_RESNET10 = PublicFile(
    "resnet_10_23dataset.pth",
    f"{MEDICALNET}resnet_10_23dataset.pth",
    "afa8055f3e47f4a18239495d92a7abc587902c69c31c743de2b2784653b72605",
    "features of the Fréchet distance (MedicalNet, Chen et al. 2019)",
)
FILES = (SQUEEZENET, CONVNEXT_SMALL, MEDICALNET_RESNET10)
FETCHED = "resources/weights"  # the folder that a run fills with them: WEIGHTS in common.smk


def fetch(file: PublicFile, folder: Path) -> Path:
    """`file` in `folder`, downloaded if it is not there; whole and the right one, or not at all.

    What a broken transfer leaves, `.NAME.part`, the next one goes on with.

    Raises:
        UserError: it cannot be had, or what is there or arrives has another checksum.
    """
    target, part = folder / file.name, folder / f".{file.name}.part"
    if target.is_file():
        require_checksum(target, file)
        logging.info("%s: already there", target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(file.address, part)
            break
        except HTTPError as error:
            raise UserError(
                f"{file.address}: the server says {error.code} {error.reason}; "
                f"if the file has moved, put it into {folder} by hand"
            ) from None
        except (OSError, HTTPException) as error:
            logging.warning("%s: attempt %d broke off: %s", file.name, attempt, error)
            if attempt == ATTEMPTS:
                raise UserError(
                    f"{file.address} cannot be downloaded ({error}); run this where there is a "
                    f"network, where it goes on, or put the file into {folder} by hand"
                ) from None
            time.sleep(PAUSE * 2 ** (attempt - 1))
    try:
        require_checksum(part, file)
    except UserError:
        part.unlink()
        raise
    part.replace(target)
    logging.info("%s: %.1f MB, %s", target, target.stat().st_size / 1e6, file.sha256)
    return target


def require_checksum(path: Path, file: PublicFile) -> None:
    """Refuse a `path` that is not `file`.

    Raises:
        UserError: naming both checksums.
    """
    found = sha256(path)
    if found != file.sha256:
        raise UserError(
            f"{path}: not {file.name}: its SHA-256 is {found}, expected {file.sha256}; "
            "delete it and fetch it again"
        )


def write_checksums(folder: Path, files: list[Path]) -> dict[str, str]:
    """Write and return the SHA-256 of `files` by name, in `checksums.json` beside them."""
    sums = {path.name: sha256(path) for path in sorted(files)}
    write_json(folder / CHECKSUMS, sums)
    return sums


def public_path(pretrained: str | Path | None, file: PublicFile) -> Path | None:
    """`file` in the folder `pretrained`, or None when there is no such folder or file."""
    path = Path(pretrained or "").expanduser() / file.name
    return path if pretrained and path.is_file() else None


def _transfer(address: str, part: Path) -> None:
    """Append to `part` what it lacks.

    Raises:
        OSError: or HTTPException, when the transfer ends early.
    """
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(address)
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=PATIENCE)
    except HTTPError as error:
        if error.code == 416:  # nothing lies beyond what is there: the checksum decides
            return
        if error.code >= 500 or error.code == 429:  # busy or broken for now
            raise ConnectionError(f"the server says {error.code} {error.reason}") from None
        raise
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        expected = response.headers.get("Content-Length")
        received = 0
        while chunk := response.read(CHUNK):
            file.write(chunk)
            received += len(chunk)
    if expected is not None and received < int(expected):
        raise ConnectionError(f"{received} of {expected} bytes came")
