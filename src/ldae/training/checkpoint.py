"""One file from which a training continues, whatever ended it."""

import fcntl
import logging
import os
import pickle
import time
from pathlib import Path
from typing import Any, TextIO

import torch

from ldae.devices import is_first_rank
from ldae.errors import UserError
from ldae.runtime import atomic_path
from ldae.settings import fingerprint

DEFAULT_SECONDS = 20.0
CONTENT = {"fingerprint", "origin", "state"}
COST_SHARE = 20  # a checkpoint is written at most every 20 times as long as writing it took


class Checkpoint:
    """`folder`/checkpoint.pt, for one training at a time; of its ranks the first alone writes it.

    Constructing one waits for another training in `folder` to end, so do that before launching.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "checkpoint.pt"
        self.origin: dict[str, Any] = {}
        self.seconds = _interval()
        self._written = time.monotonic()
        self._cost = 0.0
        if is_first_rank():
            self._lock = _alone(folder)
            for unfinished in folder.glob(f".*.{self.path.name}"):  # of a killed training
                unfinished.unlink()

    @property
    def fingerprint(self) -> str:
        """Changes with the training's origin."""
        return fingerprint(self.origin)

    def load(self, origin: dict[str, Any]) -> dict[str, Any] | None:
        """The state to continue the training of `origin` (settings, inputs' hashes) from.

        None, with the reason in the log, when there is none or it is of another training. Tensors
        are mapped from the file, so that ranks share them: copy what is kept.
        """
        self.origin = origin
        if not self.path.is_file():
            logging.info("no checkpoint in %s", self.folder)
            return None
        try:
            stored = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(
                f"{self.path}: cannot be read ({error}); delete it to start this training anew"
            ) from None
        if not (isinstance(stored, dict) and stored.keys() >= CONTENT):
            logging.warning("%s holds no state of a training: starting anew", self.path)
            return None
        if stored["fingerprint"] != self.fingerprint:
            changed = ", ".join(_differences(stored["origin"], self.origin))
            logging.info("%s is of another training (%s): starting anew", self.path, changed)
            return None
        state: dict[str, Any] = stored["state"]
        return state

    def due(self) -> bool:
        """Whether it is time for the next checkpoint (`LDAE_CHECKPOINT_SECONDS`, default 20)."""
        return time.monotonic() - self._written >= max(self.seconds, COST_SHARE * self._cost)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint by `state`; the one before stays when this fails."""
        started = time.monotonic()
        content = {"fingerprint": self.fingerprint, "origin": self.origin, "state": state}
        try:
            with atomic_path(self.path) as temporary, temporary.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            reason = error.__context__ or error  # of a full disk torch says less than the system
            raise UserError(
                f"{self.path}: the checkpoint cannot be written ({reason}); "
                "the one before is kept. Make room and start again"
            ) from None
        self._written = time.monotonic()
        self._cost = self._written - started


def _alone(folder: Path) -> TextIO:
    """Hold the folder until this process ends, however it ends; wait for one that holds it.

    A workflow that was killed may have left its training running: two must not share a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logging.warning("%s: another process trains here; waiting for it to end", folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:  # some clusters' file systems have no locks
        logging.warning("%s: no locks here (%s): see that no other one trains", folder, error)
    return lock


def _interval() -> float:
    text = os.environ.get("LDAE_CHECKPOINT_SECONDS", str(DEFAULT_SECONDS))
    try:
        return float(text)
    except ValueError:
        raise UserError(f"LDAE_CHECKPOINT_SECONDS: {text!r} is not a number of seconds") from None


def _differences(old: Any, new: Any, at: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new), key=str)
        return [
            line
            for key in keys
            for line in _differences(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
        ]
    if old == new:
        return []
    change = f"{at}: {old} -> {new}"
    return [change if len(change) <= 80 else f"{at} differs"]
