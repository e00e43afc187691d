"""Store what a supervised encoder says of every scan."""

import logging
from pathlib import Path

import torch

from ldae.data.batches import ScanBatches
from ldae.data.choices import take_split
from ldae.models.supervised import load_supervised
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, SCANS, SUPERVISED_PREDICTIONS, read_table, write_table


def predict_supervised(
    *,
    scans: Path,
    derivatives: Path,
    model: Path,
    predictions: Path,
    threads: int,
    batch_size: int,
) -> None:
    """Write one row per scan of `scans`: its keys, and the probability of AD or the age in years.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        model: the folder `train-supervised` wrote.
        predictions: the table to write (`SUPERVISED_PREDICTIONS`).
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
    """
    use_threads(threads)
    device = pick_device()
    rows = take_split(read_table(scans, SCANS), "train", "validation", "test")
    supervised = load_supervised(model, device=device)
    batches = ScanBatches(rows, derivatives, batch_size, device)
    said = torch.cat([supervised.predict(batch.x).cpu() for batch in batches])
    table = rows[KEYS].assign(prediction=said.double().numpy())
    write_table(table, predictions, SUPERVISED_PREDICTIONS)
    logging.info("%d scans: %s predicted", len(rows), supervised.task)
