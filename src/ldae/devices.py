"""GPUs of a job's own, leased for as long as its process lives.

Snakemake counts GPUs and says to nobody which. So every job locks those that it takes, and hides
the others from itself and its children (`CUDA_VISIBLE_DEVICES`). The locks are records of one file,
a byte for each GPU: they belong to this process and not to children that it forks, and the kernel
drops them at once however it ends. All of a user's runs on a machine use the same file. Under Slurm
the scheduler has shared out the GPUs between its jobs; leases then hold among what runs within one.
"""

import fcntl
import hashlib
import logging
import os
import struct
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from ldae.errors import UserError
from ldae.gpus import VISIBLE, list_gpus, source_of_gpus

WAIT_SECONDS = 0.2
TURN = 0  # the byte that is locked by who is choosing
RECORD = "hhqqi"  # C's struct flock: type, whence, start, length, process

_leases: list[tuple[int, list[str]]] = []  # at most one: how many were asked for, and which it has


def is_first_rank() -> bool:
    """Whether this process is the one the user started, also before ranks are launched."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def lease(count: int) -> int:
    """Give this process GPUs that no other job has, waiting for them if need be; hide all others.

    To be called before CUDA is used. All are taken at once or none, so that no two jobs wait for
    each other. A process leases once. The ranks of a training use what the first has leased.

    Args:
        count: how many; 0: none, and this process sees none.

    Returns:
        how many it has: `count`, or fewer where there are fewer and that is allowed.

    Raises:
        UserError: there are fewer (and `LDAE_FEWER_GPUS=stop`), or this process has asked for fewer
            before.
    """
    if not is_first_rank():
        return min(count, len(os.environ.get(VISIBLE, "").split(",")))
    if not _leases:
        os.environ[VISIBLE] = ""
        if count == 0:
            return 0
        _leases.append((count, _take(count)))
    asked, names = _leases[0]
    if count > asked:
        raise UserError(f"{count} GPUs: this process has leased {asked}; start another one")
    return min(count, len(names))


def _take(count: int) -> list[str]:
    there = list_gpus()
    count = _agreed(count, len(there), source_of_gpus())
    if count == 0:
        return []
    locks = _locks()
    names = _hold(locks, there, count)
    os.environ[VISIBLE] = ",".join(names)
    seen = count if "LDAE_GPUS" in os.environ else _seen_by_torch()
    kept = names[: _agreed(count, seen, f"that torch can use, of {', '.join(names)}")]
    for name in names[len(kept) :]:
        _unlock(locks, _byte(name))
    os.environ[VISIBLE] = ",".join(kept)
    if kept:
        logging.info("leased %s", ", ".join(kept))
    return kept


def _agreed(asked: int, there: int, source: str) -> int:
    """How many to go on with."""
    if asked <= there:
        return asked
    found = f"{asked} GPU{'s' * (asked > 1)} asked for and {there or 'none'} {source}"
    choice = os.environ.get("LDAE_FEWER_GPUS", "continue")
    if choice == "continue":
        logging.warning("%s: going on with %s", found, there or "the CPU")
        return there
    if choice == "stop":
        raise UserError(
            f"{found}; ask for fewer (`gpu` of the stage's resources, or --devices; 0 is the CPU), "
            "or go on with those there are (resources.fewer_gpus: continue)"
        )
    raise UserError(f"LDAE_FEWER_GPUS={choice}: use stop or continue")


def _seen_by_torch() -> int:
    import torch  # noqa: PLC0415  (slow to import)

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _locks() -> int:
    """The open file of locks, one for all runs of this user on this machine.

    It must never be opened twice: a process loses its records when it closes any descriptor.
    """
    given = os.environ.get("LDAE_LEASES")
    folder = Path(given or f"/tmp/ldae-{os.getuid()}")  # TMPDIR may differ from job to job
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not given and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        raise UserError(f"{folder}: belongs to another user; name another folder in LDAE_LEASES")
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)  # systemd does not tidy it up then
    return os.open(folder / "gpus.lock", os.O_RDWR | os.O_CREAT, 0o666)


def _hold(locks: int, there: Sequence[str], count: int) -> list[str]:
    """Lock `count` of the GPUs `there`. Who needs fewer does not wait behind who needs more."""
    told = False
    while True:
        fcntl.lockf(locks, fcntl.LOCK_EX, 1, TURN)
        free = list(islice((name for name in there if _lock(locks, _byte(name))), count))
        if len(free) < count:
            for name in free:
                _unlock(locks, _byte(name))
        _unlock(locks, TURN)
        if len(free) == count:
            return free
        if not told:
            used = [f"{name}{_holder(locks, name)}" for name in there if name not in free]
            logging.warning("waiting for %d of the GPUs; in use: %s", count, ", ".join(used))
        told = True
        time.sleep(WAIT_SECONDS)


def _byte(name: str) -> int:
    place = f"{os.environ.get('SLURM_JOB_ID', '')} {name}"
    return 1 + int.from_bytes(hashlib.sha256(place.encode()).digest()[:7], "big")


def _lock(locks: int, byte: int) -> bool:
    try:
        fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(locks: int, byte: int) -> None:
    fcntl.lockf(locks, fcntl.LOCK_UN, 1, byte)


def _holder(locks: int, name: str) -> str:
    question = struct.pack(RECORD, fcntl.F_WRLCK, os.SEEK_SET, _byte(name), 1, 0)
    kind, *_, process = struct.unpack(RECORD, fcntl.fcntl(locks, fcntl.F_GETLK, question))
    return "" if kind == fcntl.F_UNLCK else f" (process {process})"
