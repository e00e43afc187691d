"""Store what a supervised encoder says of every scan."""

import logging
from pathlib import Path

import torch

from ldae.data.batches import ScanBatches
from ldae.data.choices import take_split
from ldae.models.supervised import load_supervised
from ldae.progress import Tally
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, SCANS, SUPERVISED_PREDICTIONS, read_table, write_table


def predict_supervised(
    *,
    scans: Path,
    derivatives: Path,
    model: Path,
    predictions: Path,
    devices: int,
    threads: int,
    batch_size: int,
) -> None:
    """Write one row per scan of `scans`: its keys, and the probability of AD or the age in years.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        model: the folder `train-supervised` wrote.
        predictions: the table to write (`SUPERVISED_PREDICTIONS`).
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
    """
    use_threads(threads)
    device = pick_device(devices)
    rows = take_split(read_table(scans, SCANS), "train", "validation", "test")
    supervised = load_supervised(model, device=device)
    batches = ScanBatches(rows, derivatives, batch_size, device)
    tally, said = Tally(f"prediction of {supervised.task}", len(rows)), []
    for batch in batches:
        said.append(supervised.predict(batch.x).cpu())
        tally.add(len(batch.rows))
    table = rows[KEYS].assign(prediction=torch.cat(said).double().numpy())
    write_table(table, predictions, SUPERVISED_PREDICTIONS)
    logging.info("%d scans: %s predicted", len(rows), supervised.task)
