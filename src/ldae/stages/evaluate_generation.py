"""Compare generated scans with real ones: are they alike, and are they copies?"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Generation, Sampling, Section
from ldae.data.batches import ScanBatches, load_batch
from ldae.data.choices import take_split
from ldae.data.samples import read_samples
from ldae.data.volumes import load_volume
from ldae.metrics.generation import POOLED, Nearest, frechet_distance, pooled_features
from ldae.metrics.statistics import Array, divide, mean_of, subject_weights, summarise
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import SCANS, read_table, write_csv
from ldae.weights.medicalnet import load_medicalnet

TEST, DECODED = "test-scans", "test-decoded"
MEDICALNET = "MedicalNet ResNet-10, means over its last stage"
DRAWN = 5  # samples of each model in the figure

Features = Callable[[Tensor], Tensor]


class Settings(Section):
    """What was sampled, and how intervals are found."""

    seed: int
    pretrained: str | None
    sampling: Sampling
    generation: Generation
    bootstrap: Bootstrap


class Group(NamedTuple):
    """Volumes (N, 1, X, Y, Z) to judge, and the unit each is resampled with."""

    volumes: Tensor
    units: list[str]


class Nearness(NamedTuple):
    """Distances (N,) of volumes to the nearest training scan, and their units."""

    distances: Array
    units: list[str]


def evaluate_generation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    samples: list[Path],
    table: Path,
    figure: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write Fréchet distances to the training scans, and how near samples come to one of them.

    Two rows say what the numbers mean: test scans, as they are and decoded by the autoencoder.
    Samples come from its decoder too, so the second is what they can reach at best, and the fair
    measure of copying: decoding smooths, and what is smooth is nearer to everything.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        samples: folders of `sample-scans`, each named like its model.
        table: `tables/generation.csv`.
        figure: some samples of each model, each above the training scan nearest to it.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device, size = pick_device(), settings.sampling.batch_size
    rows = read_table(scans, SCANS)
    train, test = take_split(rows, "train"), take_split(rows, "test")
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    count = min(settings.generation.samples, len(test))
    with torch.inference_mode():
        groups = {folder.name: _generated(model, folder, count) for folder in samples}
        groups |= _real(model, _spread(test, count), derivatives)
        medicalnet = load_medicalnet(settings.pretrained)
        features: Features = medicalnet.to(device) if medicalnet else pooled_features
        nearest = {name: Nearest(group.volumes) for name, group in groups.items()}
        reference = []
        for batch in ScanBatches(train, derivatives, size, device):
            reference.append(features(batch.x))
            for each in nearest.values():
                each.see(batch.x)
        known = torch.cat(reference)
        frechet = {
            name: frechet_distance(
                torch.cat([features(part) for part in torch.split(group.volumes, size)]), known
            )
            for name, group in groups.items()
        }
    distances = {
        name: Nearness(each.distance.double().cpu().numpy(), groups[name].units)
        for name, each in nearest.items()
    }
    described = {"features": MEDICALNET if medicalnet else POOLED, "n_train": len(train)}
    lines = [
        {"model": name, "frechet": frechet[name], "n": count}
        | described
        | _copying(distances[name], distances[DECODED], settings)
        for name in groups
    ]
    write_csv(_explained(pd.DataFrame(lines)), table)
    logging.info("%d volumes each of %s compared with %d scans", count, [*groups], len(train))
    drawn = [folder.name for folder in samples]
    _draw({name: nearest[name] for name in drawn}, train, derivatives, figure)


def _generated(model: LatentDiffusionAutoencoder, folder: Path, count: int) -> Group:
    """The first samples of a folder; those of codes of one subject are resampled together."""
    index, z_0 = read_samples(folder)
    names = index["participant_id"].where(index["participant_id"].notna(), index["sample"])
    return Group(model.to_volume(z_0[:count]).clamp(0, 1), names[:count].astype(str).tolist())


def _real(
    model: LatentDiffusionAutoencoder, test: pd.DataFrame, derivatives: Path
) -> dict[str, Group]:
    x, subjects = load_batch(test, derivatives, model.device).x, test["participant_id"].tolist()
    decoded = model.to_volume(model.to_latent(x)).clamp(0, 1)
    return {TEST: Group(x, subjects), DECODED: Group(decoded, subjects)}


def _spread(test: pd.DataFrame, count: int) -> pd.DataFrame:
    """So many scans of as many subjects as there are: first visits before second ones."""
    visit = test.groupby("participant_id").cumcount()
    return test.loc[visit.sort_values(kind="stable").index[:count]].reset_index(drop=True)


def _copying(own: Nearness, decoded: Nearness, settings: Settings) -> dict[str, float]:
    """How near volumes come to training scans, beside how near decoded test scans come."""
    here, there = own.distances, decoded.distances
    parts = [
        subject_weights(units, replicates=settings.bootstrap.replicates, seed=settings.seed)
        for units in (own.units, decoded.units)
    ]
    split = parts[0].shape[1]

    def ratio(weights: Array) -> Array:
        return divide(mean_of(here)(weights[:, :split]), mean_of(there)(weights[:, split:]))

    confidence = settings.bootstrap.confidence
    return (
        {"n_units": len(set(own.units))}
        | summarise({"nearest_train": mean_of(here)}, parts[0], confidence)
        | summarise({"nearest_ratio": ratio}, np.concatenate(parts, axis=1), confidence)
        | {"below_nearest_test": float((here < there.min()).mean())}
    )


def _explained(table: pd.DataFrame) -> pd.DataFrame:
    """The table with why a distance is empty."""
    lost = "frechet: too few volumes, or their covariances' product has no real root (more samples)"
    return table.assign(not_computed=np.where(table["frechet"].isna(), lost, ""))


def _draw(nearest: dict[str, Nearest], train: pd.DataFrame, derivatives: Path, path: Path) -> None:
    rows: list[Row] = []
    seen = np.zeros(1)
    for name, each in nearest.items():
        drawn = [volume[0].cpu().numpy() for volume in each.volumes[:DRAWN]]
        files = train["volume"].iloc[each.position[:DRAWN].tolist()]
        near = [load_volume(derivatives / file).numpy() for file in files]
        seen = seen + np.sum(near, axis=0)
        rows += [
            Row(f"{name.upper()}\nsample", drawn),
            Row("nearest\ntraining\nscan", near),
            Row(f"{name.upper()}\nsample", drawn, plane="coronal"),
            Row("nearest\ntraining\nscan", near, plane="coronal"),
        ]
    draw_rows(
        path,
        title="Samples from noise, each above the training scan nearest to it",
        columns=[f"sample {number + 1}" for number in range(len(rows[0].volumes))],
        rows=rows,
        centre=centre_of(seen > 0),
    )
