"""Generate scans from noise, by the latent diffusion model alone or given semantic codes."""

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
from ldae.data.single_scan import save_volume
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import KEYS, SCANS, read_table


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
    threads: int,
    settings: Settings,
) -> None:
    """Write latents of samples from noise, some of them as volumes, and the table of them.

    The LDAE has no prior over y_sem to draw from. It is given codes of random training scans, each
    at most once while there are enough, with a fresh z_T: their distribution is the one its decoder
    knows. Codes of test scans would bring what is tested into the samples; and should the decoder
    give a training scan back for its code, `evaluate-generation` sees it. Both models start from
    the same z_T.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in; of the first, samples take their place in space.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the codes of all scans (`embeddings/ldae.parquet`).
        model: `ldm`, without codes, or `ldae`.
        samples: the folder to write.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    train = take_split(read_table(scans, SCANS), "train")
    loaded = load_ldae(models, clip=settings.sampling.clip, device=pick_device())
    chosen = _draw_scans(train, settings) if model == "ldae" else None
    codes = None if chosen is None else torch.tensor(read_embeddings(embeddings, chosen))
    z_0 = _sample(loaded, codes, settings)

    affine = np.asarray(nib.load(derivatives / train.iloc[0]["volume"]).affine)
    count, kept = settings.generation.samples, settings.generation.volumes
    names = [f"sample-{number:03d}_T1w.nii.gz" for number in range(min(kept, count))]
    for number, name in enumerate(names):
        volume = loaded.to_volume(z_0[number : number + 1]).clamp(0, 1)
        save_volume(volume[0, 0], affine, samples / name)
    keys = pd.DataFrame(columns=KEYS, index=range(count)) if chosen is None else chosen[KEYS]
    index = keys.assign(sample=range(count), volume=pd.Series(names, index=range(len(names))))
    write_samples(samples, index, z_0)
    logging.info("%d samples of %s, listed in %s", count, model, samples / INDEX_NAME)


def _draw_scans(train: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """As many random scans as samples are wanted, each at most once while there are enough."""
    generator = np.random.default_rng([settings.seed, 0x6E7])
    count = settings.generation.samples
    rounds = -(-count // len(train))
    order = np.concatenate([generator.permutation(len(train)) for _ in range(rounds)])
    return train.iloc[order[:count]].reset_index(drop=True)


def _sample(loaded: LatentDiffusionAutoencoder, codes: Tensor | None, settings: Settings) -> Tensor:
    """Scaled latents (N, C, X, Y, Z) on the CPU; a sample's z_T depends on its number alone."""
    count, size = settings.generation.samples, settings.sampling.batch_size
    sampled = []
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        generators = [seeded_generator(settings.seed, "generation", each) for each in numbers]
        noise = [torch.randn(loaded.latent_shape, generator=each) for each in generators]
        y = None if codes is None else codes[start : start + size]
        z_0 = loaded.sample(torch.stack(noise), y, steps=settings.generation.steps)
        sampled.append(z_0.cpu())
    return torch.cat(sampled)
