"""Store the terminal code z_T of every test scan for one model and one number of DDIM steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ldae.config import Sampling, Section
from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.data.inversions import finish_inversions, plan_inversions, write_inversion
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.ldae import load_ldae
from ldae.models.lddim import load_lddim
from ldae.models.stored import inverted_by
from ldae.progress import Tally
from ldae.runtime import pick_device, use_threads
from ldae.tables import SCANS, read_table

Model = Literal["ldae", "lddim", "dae"]


class Settings(Section):
    """The clamp in every DDIM step."""

    sampling: Sampling


def invert_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    model: Model,
    steps: int,
    index: Path,
    devices: int,
    threads: int,
    batch_size: int,
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
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    clip = settings.sampling.clip
    test = take_split(read_table(scans, SCANS), "test")
    planned = plan_inversions(test, made_by=inverted_by(models, model, clip=clip))
    device = pick_device(devices)
    invert = _inversion(models, model, clip=clip, steps=steps, device=device)
    tally = Tally(f"inversion by {model}, {steps} steps", len(test))
    for start in range(0, len(test), batch_size):
        lines = planned.iloc[start : start + batch_size]
        if all((index.parent / name).is_file() for name in lines["file"]):
            tally.add(len(lines))
            continue
        with torch.inference_mode():
            batch = load_batch(test.iloc[start : start + batch_size], derivatives, device)
            z_T = invert(batch.x)
        for (_, line), code in zip(lines.iterrows(), z_T, strict=True):
            write_inversion(index.parent, line, code)
        tally.add(len(lines))
    finish_inversions(index, planned)


def _inversion(
    models: Path, model: Model, *, clip: float | None, steps: int, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """What finds z_T (B, ...) of volumes (B, 1, X, Y, Z); LDDIM needs no LDAE to be there."""
    if model == "lddim":
        plain = load_lddim(models, clip=clip, device=device)
        return lambda x: plain.invert(plain.to_latent(x), None, steps=steps)
    load: Callable[..., DiffusionAutoencoder] = load_dae if model == "dae" else load_ldae
    coder = load(models, clip=clip, device=device)
    return lambda x: coder.invert(coder.to_latent(x), coder.encode(x), steps=steps)
