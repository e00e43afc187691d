"""One scan beside what was made of it: kept from the jobs that make it until it is drawn."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldae.errors import UserError
from ldae.runtime import atomic_path

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A scan (X, Y, Z), its brain (bool, alike) and its reconstructions by model and start.

    `name` says of whom and with how many steps.
    """

    name: str
    scan: Volume
    brain: NDArray[np.bool_]
    made: Mapping[tuple[str, str], Volume]


def write_example(path: Path, example: Example) -> None:
    """Write an NPZ file: the fields, of `made` the pairs in `keys` (N, 2), atomically."""
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            name=np.array(example.name),
            scan=example.scan,
            brain=example.brain,
            keys=np.array(list(example.made)),
            made=np.stack(list(example.made.values())),
        )


def read_examples(paths: Sequence[Path]) -> Example:
    """What several jobs made of the same scan with the same number of steps, as one.

    Raises:
        UserError: a file cannot be read, or two are not of the same scan and number of steps.
    """
    first, *others = [_read(path) for path in paths]
    made = dict(first.made)
    for path, other in zip(paths[1:], others, strict=True):
        if other.name != first.name:
            raise UserError(f"{path}: of {other.name}, but {paths[0]} of {first.name}; name alike")
        made |= other.made
    return Example(first.name, first.scan, first.brain, made)


def _read(path: Path) -> Example:
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys = [(str(model), str(start)) for model, start in stored["keys"]]
            made = dict(zip(keys, stored["made"], strict=True))
            return Example(str(stored["name"]), stored["scan"], stored["brain"], made)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: cannot be read as an example ({error}); run reconstruct-scans again"
        ) from None
