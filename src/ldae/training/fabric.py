"""Where a training runs: one process per device, in the precision asked for.

A training is started once: by hand, by the workflow, or as the one task of a Slurm job. For every
device beyond the first Fabric starts the same command again as a *rank* and tells it by environment
variables which one it is. Nobody else launches ranks, also under Slurm; they share one machine.
"""

import inspect
import logging
import os
import threading
import time
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from ldae.config import Training
from ldae.devices import lease
from ldae.runtime import use_threads

WATCH_SECONDS = 0.2


def launch(settings: Training, *, devices: int, threads: int) -> Fabric:
    """Start the ranks of a training and connect them.

    Args:
        settings: batch and precision.
        devices: GPUs to lease and train on; 0: none, one process on the CPU.
        threads: CPU threads of all ranks together.

    Raises:
        UserError: there are fewer GPUs (see `lease`).
    """
    useful = min(devices, settings.batch_size * settings.accumulate)
    if useful < devices:
        logging.warning("a step has %d examples: %d devices idle", useful, devices - useful)
    leased = lease(useful)
    ranks, cuda = max(1, leased), leased > 0 and torch.cuda.is_available()
    if cuda:
        torch.set_float32_matmul_precision("high")  # float32 products may use TF32
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=ranks,
        strategy=_distributed(cuda) if ranks > 1 else "auto",
        precision=settings.precision,
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    use_threads(max(1, threads // ranks))
    if fabric.global_rank > 0:
        logging.getLogger().setLevel(logging.ERROR)  # the first rank speaks for all
        _end_with(os.getppid())
    return fabric


def _distributed(cuda: bool) -> DDPStrategy:
    """Gradients are shared and nothing else: weights start, and so stay, equal (`ranks`)."""
    known = inspect.signature(DistributedDataParallel).parameters  # renamed after torch 2.6
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {"init_sync": False, buffers: False, "gradient_as_bucket_view": True}
    return DDPStrategy(process_group_backend="nccl" if cuda else "gloo", **options)


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, even in the middle of a collective."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
