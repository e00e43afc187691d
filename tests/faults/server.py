"""Runs trainings to be killed, each in a fork: everything is imported once.

Reads one JSON object per line: `folder` for the line training of tests/unit/training/conftest.py,
with `dropout` and `changes` of its settings if wanted, or `words` of an `ldae` command; with either
`ranks`, `fault` and `log`, a file for what it says. Prints the process id of the training (with
ranks: of the first), then its exit status.
"""

import json
import os
import resource
import runpy
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["LDAE_CHECKPOINT_SECONDS"] = "0"
os.environ.pop("CUDA_VISIBLE_DEVICES", None)

import torch

from ldae import cli
from ldae.errors import UserError
from ldae.stages import encode_latents, train_autoencoder, train_ldae, train_ldm  # noqa: F401
from ldae.training import checkpoint

checkpoint.COST_SHARE = 0  # a checkpoint after every step
FAULTY_SAVE = 8  # the checkpoint at which a fault happens


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def torn() -> None:
    """Dies with half of the checkpoint written."""
    write = torch.save

    def half(content: object, file: Any) -> None:
        write(content, file)
        file.truncate(file.tell() // 2)
        die()

    torch.save = half


def unsynced() -> None:
    """Dies when all is written, but perhaps not on the disk."""
    os.fsync = die


def unnamed() -> None:
    """Dies before the new checkpoint takes the place of the old one."""
    Path.replace = die


def named() -> None:
    """Dies right after that."""
    replace = Path.replace
    Path.replace = lambda *paths: (replace(*paths), die())


def terminated() -> None:
    """Not a fault: the first rank is asked to leave, in the middle of saving."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        os.kill(os.getpid(), signal.SIGUSR1)


def full() -> None:
    """The disk is full: checkpoints do not fit, lines of the journal do."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))


def at_save(number: int, fault: Callable[[], None]) -> None:
    save = checkpoint.Checkpoint.save
    saved = 0

    def counted(self: checkpoint.Checkpoint, state: dict[str, Any]) -> None:
        nonlocal saved
        saved += 1
        if saved == number:
            fault()
        save(self, state)

    checkpoint.Checkpoint.save = counted


def fork_ranks(ranks: int) -> None:
    """Become rank 0 and have others, as launching on several devices does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    gpus = ",".join(f"pretended-{os.getpid()}-{rank}" for rank in range(ranks))
    known |= {"LDAE_GPUS": gpus, "CUDA_VISIBLE_DEVICES": gpus}  # training is on the CPU
    os.environ |= known | {"WORLD_SIZE": str(ranks), "LOCAL_RANK": "0"}
    for rank in range(1, ranks):
        if os.fork() == 0:
            os.environ["LOCAL_RANK"] = str(rank)
            return


def train_line(run: type, order: dict[str, Any]) -> None:
    folder, ranks = Path(order["folder"]), order.get("ranks", 0)
    folder.mkdir(exist_ok=True)
    training = run(folder, devices=ranks, dropout=order.get("dropout", 0.2))
    (folder / f"rank-{os.environ.get('LOCAL_RANK', '0')}").write_text(str(os.getpid()))
    outcome = training(**order.get("changes", {}))
    if outcome.weights:
        names = sorted(outcome.weights)
        torch.save({name: outcome.weights[name] for name in names}, folder / "weights")


def obey(run: type, order: dict[str, Any]) -> None:
    if "log" in order:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, sys.stderr.fileno())
    if "fault" in order:
        at_save(FAULTY_SAVE, globals()[order["fault"]])
    if order.get("ranks", 0) > 1:
        fork_ranks(order["ranks"])
    if "words" in order:
        cli.main(order["words"])
    else:
        train_line(run, order)


def main(conftest: str) -> None:
    run = runpy.run_path(conftest)["Run"]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 0
            try:
                obey(run, json.loads(line))
            except (UserError, SystemExit) as left:
                status = left.code if isinstance(getattr(left, "code", None), int) else 1
                sys.stderr.write(f"{left}\n")
            sys.stderr.flush()
            os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
