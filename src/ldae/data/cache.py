"""Volumes unpacked once, on disk, and mapped from there: a training never waits for gunzip.

The kernel keeps in memory what fits, once for all processes that read it.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from ldae.runtime import atomic_path
from ldae.settings import fingerprint

MAPPED = 512  # volumes mapped at once, which count as memory in use on some clusters
ABANDONED_SECONDS = 3600.0


class VolumeCache:
    """Arrays in `folder`, each called by the hash of the file it was unpacked from.

    `LDAE_CACHE` names a place to use instead, a node's own disk perhaps. Whatever is in it may be
    deleted when no training runs. Half of the disk that was free is left free; what does not fit is
    unpacked at every use. Threads and processes may share a folder.
    """

    def __init__(self, folder: Path, *, keep: Iterable[str]) -> None:
        place = os.environ.get("LDAE_CACHE")
        self.folder = Path(place, fingerprint(str(folder.resolve()))) if place else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        held = self._tidied(set(keep))
        self._least_free = (shutil.disk_usage(self.folder).free + held) / 2
        self._full = False
        self._lock = Lock()
        self._storing = set[str]()

    def get(self, key: str, unpack: Callable[[], Tensor]) -> Tensor:
        """What `unpack` gives for `key`. Not to be written to."""
        path = self.folder / f"{key}.npy"
        try:
            return _mapped(path)
        except (FileNotFoundError, ValueError, EOFError):  # not there, or not whole
            volume = unpack()
        with self._lock:
            mine = not self._full and key not in self._storing
            if mine:
                self._storing.add(key)
        if mine:
            self._store(path, volume)
        return volume

    def _store(self, path: Path, volume: Tensor) -> None:
        size = volume.numel() * volume.element_size()
        try:
            if shutil.disk_usage(self.folder).free - size < self._least_free:
                self._give_up("half of the disk that was free is in use")
            else:
                self._write(path, volume)
        except OSError as error:
            self._give_up(str(error))
        with self._lock:
            self._storing.discard(path.stem)

    def _write(self, path: Path, volume: Tensor) -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, volume.numpy())
            file.flush()
            os.fsync(file.fileno())

    def _give_up(self, reason: str) -> None:
        self._full = True
        logging.warning(
            "%s: no room for more (%s); other volumes are unpacked at every use, which is slow: "
            "set LDAE_CACHE to a folder with more",
            *(self.folder, reason),
        )

    def _tidied(self, keys: set[str]) -> int:
        """Remove volumes nobody will ask for, and halves of them; gives the bytes that remain."""
        held = 0
        for path in self.folder.glob("*.npy"):
            try:
                status = path.stat()
                if path.name.startswith("."):  # half of one: perhaps another process writes it
                    useless = time.time() - status.st_mtime > ABANDONED_SECONDS
                else:
                    useless = path.stem not in keys
                if useless:
                    path.unlink()
                else:
                    held += status.st_size
            except FileNotFoundError:  # another process was faster
                continue
        return held


@lru_cache(maxsize=MAPPED)
def _mapped(path: Path) -> Tensor:
    return torch.from_numpy(np.load(path, mmap_mode="c"))  # private: never written back
