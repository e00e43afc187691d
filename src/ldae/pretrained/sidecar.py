"""What a scan's name, its sidecar and its figures say of how it was made."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ldae.bids import sidecar_path
from ldae.preprocessing.verdict import faults
from ldae.pretrained.contract import ScanContract

DECISIVE = ("grid", "intensity", "registration.transform")  # settings that must be the same
PLACES = {"brain.masks"}  # settings that say where files were, not what was done


def wrong_words(path: Path, contract: ScanContract) -> Iterator[str]:
    """What its name and its sidecar say of how it was made."""
    named = re.search(r"_space-([0-9A-Za-z]+)_", path.name)
    made = _sidecar(path)
    space = str(made.get("SpatialReference") or (named[1] if named else contract.space))
    if space != contract.space:
        yield f"it is in the space {space}, but the models read {contract.space}"
    if made.get("SkullStripped") is False:
        yield "its skull is not removed, as its sidecar says"
    other = [each for each in _differences(made, contract) if each.split(":")[0] != "recipe"]
    decisive = [each for each in other if each.startswith(DECISIVE)]
    if decisive:
        yield f"it was preprocessed in another way: {'; '.join(decisive)}"


def remarks(path: Path, contract: ScanContract) -> Iterator[str]:
    """What else is unknown, or not as for the training scans; not a reason to refuse it."""
    made = _sidecar(path)
    if not made.get("Settings"):
        yield "no sidecar says how it was preprocessed"
        return
    for each in _differences(made, contract):
        yield f"preprocessed with {each}"


def _differences(made: dict[str, Any], contract: ScanContract) -> list[str]:
    """Settings of preprocessing that are not the training scans', with both values."""
    if not isinstance(made.get("Settings"), dict):
        return []
    ours = _flat(contract.preprocessing.model_dump(mode="json"))
    theirs = _flat(made["Settings"])
    versions = made.get("Versions")
    ours["recipe"] = contract.recipe
    theirs["recipe"] = versions.get("recipe") if isinstance(versions, dict) else None
    return [
        f"{key}: {theirs.get(key)}, the training scans {value}"
        for key, value in ours.items()
        if key not in PLACES and theirs.get(key) != value
    ]


def wrong_quality(path: Path, contract: ScanContract) -> Iterator[str]:
    """The figures that preprocessing left beside it, held against the thresholds."""
    place = path.with_name(f"{path.name.split('_space-')[0]}_desc-qc.json")
    if place.name == path.name or "_space-" not in path.name:
        return
    try:
        figures = json.loads(place.read_text(encoding="utf-8"))["quality"]
        wrong = [f"{reason} ({found})" for reason, found in faults(figures, contract.quality)]
    except (OSError, ValueError, KeyError, TypeError):
        return  # it has none: the volume itself was looked at
    if wrong:
        yield f"not fit for use: {'; '.join(wrong)}"


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        made = json.loads(sidecar_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inside = isinstance(value, dict)
        flat |= _flat(value, f"{above}{key}.") if inside else {f"{above}{key}": value}
    return flat
