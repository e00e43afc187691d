"""An image, and the files that the chosen brain extraction needs beside it."""

import glob
import re
from dataclasses import dataclass
from pathlib import Path

from ldae.config import BrainExtraction
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.network_brain import network_files

MASK = "_desc-brain_mask.nii*"
NATIVE = {"T1w", "orig", "individual"}  # spaces in which a mask lies on the raw image


@dataclass(frozen=True)
class Source:
    """What one scan is made from; `aids` are a mask, a network's files, or nothing."""

    image: Path
    image_sha256: str
    reference: str  # what sidecars call the image: a BIDS URI, or a bare name
    aids: tuple[Path, ...] = ()


def find_aids(image: Path, settings: BrainExtraction, network: Path | None) -> tuple[Path, ...]:
    """The files that brain extraction needs beside the image.

    Args:
        image: the raw image; BIDS entities in its name say which mask is its.
        settings: the method, and the dataset of masks if they are not beside the images.
        network: folder of the network's files.

    Raises:
        ScanError: not exactly one mask is there for this image.
        UserError: the network's files are not there.
    """
    if settings.method == "antspynet":
        return network_files(network)
    if settings.method == "mask":
        return (_mask_of(image, settings.masks),)
    return ()


def _mask_of(image: Path, masks: str | None) -> Path:
    """The mask with the image's entities, or else its name, in the image's own space."""
    wanted = _entities(image)
    folder = image.parent if masks is None else Path(masks).expanduser()
    if "sub" in wanted:
        if masks is not None:
            levels = [f"{key}-{wanted[key]}" for key in ("sub", "ses") if key in wanted]
            folder = folder.joinpath(*levels, "anat")
        found = sorted(folder.glob(f"*{MASK}"))
        fitting = [path for path in found if _fits(_entities(path), wanted)]
    else:
        name = image.name.partition(".nii")[0].removesuffix("_T1w")
        fitting = sorted(folder.glob(f"{glob.escape(name)}{MASK}"))
    if len(fitting) == 1:
        return fitting[0]
    same = [path for path in fitting if _entities(path) == wanted | {"desc": "brain"}]
    if len(same) == 1:
        return same[0]
    count = f"{len(fitting)} masks fit" if fitting else "no mask"
    raise ScanError("no-mask", f"{count} in {folder} for {image.name}")


def _fits(found: dict[str, str], wanted: dict[str, str]) -> bool:
    return (
        all(found.get(key) == wanted.get(key) for key in ("sub", "ses"))
        and all(found.get(key, value) == value for key, value in wanted.items())
        and found.get("space", "T1w") in NATIVE
    )


def _entities(path: Path) -> dict[str, str]:
    return dict(re.findall(r"(?:^|_)([a-zA-Z]+)-([0-9a-zA-Z]+)", path.name))
