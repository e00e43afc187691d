"""Generate scans from noise, by the latent diffusion model alone or given drawn codes."""

import logging
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Generation, Sampling, Section
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.samples import INDEX_NAME, write_samples
from ldae.data.volumes import save_volume
from ldae.metrics.generation import draw_codes
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.progress import Tally
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import SCANS, read_table


class Settings(Section):
    """How many samples, with how many steps."""

    seed: int
    sampling: Sampling
    generation: Generation


def sample_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    model: Literal["ldm", "ldae"],
    samples: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write latents of samples from noise, some of them as volumes, and the table of them.

    The LDAE has no prior over y_sem to draw from. It is given one: a Gaussian fitted to the codes
    of the training scans (`draw_codes`), of which every sample gets a new code, with a fresh z_T.
    A code of a scan would bring that scan into the sample. Both models start from the same z_T.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in; of the first, samples take their place in space.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the codes of all scans (`embeddings/ldae.parquet`).
        model: `ldm`, without codes, or `ldae`.
        samples: the folder to write.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    train = take_split(read_table(scans, SCANS), "train")
    loaded = load_ldae(models, clip=settings.sampling.clip, device=pick_device(devices))
    count, kept = settings.generation.samples, settings.generation.volumes
    codes = None
    if model == "ldae":
        known = read_embeddings(embeddings, train)
        codes = torch.from_numpy(draw_codes(known, count, seeds=[settings.seed, 0x6E7]))
    z_0 = _sample(loaded, codes, batch_size, settings)

    affine = np.asarray(nib.load(derivatives / train.iloc[0]["volume"]).affine)
    names = [f"sample-{number:03d}_T1w.nii.gz" for number in range(min(kept, count))]
    for number, name in enumerate(names):
        volume = loaded.to_volume(z_0[number : number + 1]).clamp(0, 1)
        save_volume(samples / name, volume[0, 0].cpu().numpy(), affine)
    volumes = pd.Series(names, index=range(len(names)), dtype=object)
    index = pd.DataFrame({"sample": range(count)}).assign(volume=volumes)
    write_samples(samples, index, z_0)
    logging.info("%d samples of %s, listed in %s", count, model, samples / INDEX_NAME)


def _sample(
    loaded: LatentDiffusionAutoencoder, codes: Tensor | None, size: int, settings: Settings
) -> Tensor:
    """Scaled latents (N, C, X, Y, Z) on the CPU; a sample's z_T depends on its number alone."""
    count = settings.generation.samples
    sampled, tally = [], Tally("samples", count, unit="samples")
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        generators = [seeded_generator(settings.seed, "generation", each) for each in numbers]
        noise = [torch.randn(loaded.latent_shape, generator=each) for each in generators]
        y = None if codes is None else codes[start : start + size]
        z_0 = loaded.sample(torch.stack(noise), y, steps=settings.generation.steps)
        sampled.append(z_0.cpu())
        tally.add(len(numbers))
    return torch.cat(sampled)
