"""Store the terminal code z_T of every test scan for one model and one number of DDIM steps."""

import logging
from pathlib import Path
from typing import Literal

import torch

from ldae.config import Sampling, Section
from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.data.inversions import finish_inversions, plan_inversions, write_inversion
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.ldae import load_ldae
from ldae.models.stored import inverted_by
from ldae.runtime import pick_device, use_threads
from ldae.tables import SCANS, read_table


class Settings(Section):
    """The clamp in every DDIM step, and how many scans are inverted at once."""

    sampling: Sampling


def invert_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    model: Literal["ldae", "lddim", "dae"],
    steps: int,
    index: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Invert the test scans that have no z_T of these weights yet, and write their index.

    Batches are the same in every call, and one that lacks a code is inverted as a whole: a run that
    was killed and continued ends in the bytes of one left alone.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of the trained models.
        model: `ldae`, with y_sem of the scan; `lddim`, its diffusion model alone; `dae`, on voxels.
        steps: DDIM steps.
        index: `inversions/{model}/T{steps}/index.parquet`, beside which the codes are stored.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    clip, device = settings.sampling.clip, pick_device()
    test = take_split(read_table(scans, SCANS), "test")
    planned = plan_inversions(test, made_by=inverted_by(models, model, clip=clip))
    inverter: DiffusionAutoencoder = (
        load_dae(models, clip=clip, device=device)
        if model == "dae"
        else load_ldae(models, clip=clip, device=device)
    )
    size = settings.sampling.batch_size
    for start in range(0, len(test), size):
        lines = planned.iloc[start : start + size]
        if all((index.parent / name).is_file() for name in lines["file"]):
            continue
        with torch.inference_mode():
            x = load_batch(test.iloc[start : start + size], derivatives, device).x
            y = None if model == "lddim" else inverter.encode(x)
            z_T = inverter.invert(inverter.to_latent(x), y, steps=steps)
        for (_, line), code in zip(lines.iterrows(), z_T, strict=True):
            write_inversion(index.parent, line, code)
        logging.info("%d of %d scans inverted", start + len(lines), len(test))
    finish_inversions(index, planned)
