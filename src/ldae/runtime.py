"""What stages need of the machine: files that appear whole, hashes, logging, devices, seeds."""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldae.devices import lease
from ldae.errors import UserError

if TYPE_CHECKING:
    import torch

RECORDS = ".provenance"  # the folder of records beside the files they are of


@dataclass
class Seen:
    """What a job reads, with SHA-256 as found, and writes; paths are absolute."""

    settings_hash: str | None = None
    read: dict[Path, str] = field(default_factory=dict)
    written: set[Path] = field(default_factory=set)

    def inputs(self, folder: Path) -> dict[str, str]:
        """What was read and not made here: SHA-256 by path relative to `folder`."""
        found = sorted(self.read.keys() - self.written)
        return {os.path.relpath(path, folder.absolute()): self.read[path] for path in found}


_watching: list[Seen] = []


@contextmanager
def watching(settings_hash: str | None = None) -> Iterator[Seen]:
    """Note which files this process, a job with these settings, reads and writes in the block."""
    seen = Seen(settings_hash)
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def note_read(path: Path) -> None:
    """Tell whoever is `watching` that the file `path`, if there is one, is about to be read."""
    path = path.absolute()
    for seen in _watching:
        if path not in seen.read and path not in seen.written and path.is_file():
            seen.read[path] = sha256(path)


def _note_written(path: Path) -> None:
    for seen in _watching:
        seen.written.add(path.absolute())


def noted_so_far(folder: Path) -> dict[str, Any]:
    """Settings and inputs of the job, for a file in `folder`; empty where nobody watches."""
    seen = _watching[-1] if _watching else Seen()
    return {"settings_hash": seen.settings_hash, "inputs": seen.inputs(folder)}


def record_path(path: Path) -> Path:
    """Where it is recorded how the file `path` was made (`ldae.provenance`)."""
    return path.parent / RECORDS / f"{path.name}.json"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of `path` that replaces it when the block ends well.

    When the block fails the neighbour vanishes. It keeps the suffixes of `path`, since many
    writers choose their format by them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
        _note_written(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of the folder `path` that becomes it when the block ends well.

    When the block fails the neighbour vanishes; what a killed job left is cleared by the next.

    Raises:
        UserError: if `path` is there and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path}: already there; remove it or name another folder")
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.replace(path)
        for inside in path.rglob("*"):
            _note_written(inside)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as a whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def configure_logging() -> None:
    """Send time-stamped messages to standard error, at the level of `LDAE_LOG_LEVEL` (INFO).

    Raises:
        UserError: if there is no such level.
    """
    level = os.environ.get("LDAE_LOG_LEVEL", "INFO")
    if level.upper() not in logging.getLevelNamesMapping():
        raise UserError(f"LDAE_LOG_LEVEL={level}: no such level; use DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )


def pick_device(devices: int = 0) -> "torch.device":
    """A GPU of this job's own (`lease`), if it may have any `devices`; else the CPU."""
    import torch  # noqa: PLC0415  (slow to import, and most stages never need it)

    leased = lease(min(devices, 1))
    return torch.device("cuda" if leased and torch.cuda.is_available() else "cpu")


def use_threads(threads: int) -> None:
    """Let torch use exactly `threads` CPU threads."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)


def seeded_generator(*parts: int | str) -> "torch.Generator":
    """A CPU generator whose stream depends on `parts` alone (run seed, purpose, step, ...)."""
    import torch  # noqa: PLC0415

    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
