"""The contract between models and scans, `contract.json` in the folder of a run's models.

It says how the scans were made that the models learnt from, so that another scan is held to it; its
own hash shows that nobody edited it, the hashes of the weights that it belongs to them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from pydantic import ValidationError

from ldae.bids import TEMPLATE, sidecar_path
from ldae.config import Preprocessing, Quality, Sampling, Section
from ldae.errors import UserError
from ldae.pretrained.shift import Familiar
from ldae.runtime import write_json
from ldae.weights.folder import load_model_config

CONTRACT = "contract.json"
PARTS = ("autoencoder", "ldm", "ldae")
REMAKE = "make it again (the workflow's rule write_contract)"

Row = tuple[float, float, float, float]


class ScanContract(Section):
    """What a scan must be, however it is looked at: the file, its sidecar, its figures."""

    space: str
    shape: tuple[int, int, int]
    spacing_mm: float
    affine: tuple[Row, Row, Row, Row]  # voxels to mm in `space`, RAS+
    skull_stripped: Literal[True]  # and the background exactly 0
    brain_share: tuple[float, float]  # least and most of the voxels that are not 0
    intensity: tuple[float, float]  # least and most
    recipe: int | None  # of preprocessing: what the same settings mean
    preprocessing: Preprocessing
    quality: Quality


class Contract(Section):
    """`scan` is held against scans; the rest says how they are used, and how usual scans look."""

    format: Literal[1]
    scan: ScanContract
    models: dict[str, str]  # SHA-256 of the weights, by the name of their folder
    probes: str  # SHA-256 of `probes.json`
    sampling: Sampling
    training: Familiar | None  # None: too few training scans to say what is usual

    @property
    def sha256(self) -> str:
        """Of everything in it."""
        return _hash(self.model_dump(mode="json"))


def describe_scans(
    volume: Path, *, share: tuple[float, float], preprocessing: Preprocessing, quality: Quality
) -> ScanContract:
    """What scans must be to be like `volume`, a preprocessed one.

    Args:
        volume: a scan of the training cohort, with its sidecar.
        share: least and most of the voxels that may be brain.
        preprocessing: as it was made.
        quality: thresholds that it passed.
    """
    try:
        made = json.loads(sidecar_path(volume).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made = {}
    anywhere = preprocessing.brain.model_copy(update={"masks": None})  # a place on this machine
    affine = [tuple(float(x) for x in row) for row in np.asarray(nib.load(volume).affine)]
    first, second, third, last = affine
    return ScanContract(
        space=TEMPLATE,
        shape=preprocessing.grid.shape,
        spacing_mm=preprocessing.grid.spacing_mm,
        affine=(_row(first), _row(second), _row(third), _row(last)),
        skull_stripped=True,
        brain_share=share,
        intensity=(0.0, 1.0),
        recipe=made.get("Versions", {}).get("recipe"),
        preprocessing=preprocessing.model_copy(update={"brain": anywhere}),
        quality=quality,
    )


def weights_of(models: Path) -> dict[str, str]:
    """SHA-256 of the weights in the folders that single scans go through."""
    return {part: str(load_model_config(models / part)["weights_sha256"]) for part in PARTS}


def write_contract(path: Path, contract: Contract) -> None:
    """Write it with its hash, atomically."""
    write_json(path, {"sha256": contract.sha256, **contract.model_dump(mode="json")})


def read_contract(models: Path) -> Contract | None:
    """The contract of the models in a folder; None where there is none, as beside imported weights.

    Raises:
        UserError: it was edited, or belongs to other weights or another version.
    """
    path = models / CONTRACT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("sha256")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{path}: no contract of models and scans; {REMAKE}") from None
    if stated != _hash(content):
        raise UserError(
            f"{path}: was edited: its hash is not the one it states; restore it, or {REMAKE}"
        )
    try:
        contract = Contract.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: of another version ({place}: {first['msg']}); {REMAKE}") from None
    found = weights_of(models)
    other = [part for part in PARTS if contract.models.get(part) != found[part]]
    if other:
        raise UserError(
            f"{path}: belongs to other weights than {', '.join(other)} beside it; {REMAKE}"
        )
    return contract


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _row(values: tuple[float, ...]) -> Row:
    a, b, c, d = values
    return a, b, c, d
