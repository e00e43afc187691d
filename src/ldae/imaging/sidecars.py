"""JSON files that describe an image: read whoever wrote them, written so that every reader can."""

import json
import math
from typing import Any

from ldae.imaging.storage import Storage, StorageError

_LARGEST = 1 << 20  # bytes


def sidecar_of(file: str) -> str:
    """The JSON file that would describe a NIfTI file: same name, same folder."""
    stem = file[:-3] if file.lower().endswith(".gz") else file
    return stem.rpartition(".")[0] + ".json"


def read_beside(file: str, storage: Storage) -> dict[str, Any]:
    """What the sidecar of a NIfTI file says; nothing if there is none that can be read."""
    try:
        return parse_sidecar(storage.read_start(sidecar_of(file), _LARGEST))
    except (StorageError, ValueError, RecursionError):
        return {}


def parse_sidecar(content: bytes) -> dict[str, Any]:
    """The entries of a sidecar, without those that JSON or UTF-8 cannot hold.

    Raises:
        ValueError: if it holds no entries.
        RecursionError: if it is nested deeper than can be followed.
    """
    match json.loads(content.decode(errors="replace"), strict=False):
        case dict() as entries:
            return {str(_clean(name)): _clean(value) for name, value in entries.items()}
    raise ValueError("no JSON object")


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {str(_clean(name)): _clean(item) for name, item in value.items()}
    return value
