"""Compare generated scans with real ones: are they alike, and are they copies?"""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Generation, Section
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
LOST = "too few volumes, or their covariances' product has no real root (more samples)"
MEDICALNET = "MedicalNet ResNet-10, means over its last stage"
DRAWN = 5  # samples of each model in the figure

Features = Callable[[Tensor], Tensor]


class Settings(Section):
    """What was sampled, and how intervals are found."""

    seed: int
    pretrained: str | None
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
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write Fréchet distances to real scans, and how near samples come to a training scan.

    `frechet` is the distance to the training scans, which a model that gives them back wins;
    `frechet_test` that to scans of every second test subject, which no model has seen. Two rows
    say what the numbers mean: scans of the other test subjects, as they are and decoded by the
    autoencoder. Samples come from its decoder too, so the second is what they can reach at best,
    and the fair measure of copying: decoding smooths, and what is smooth is nearer to everything.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        samples: folders of `sample-scans`, each named like its model.
        table: `tables/generation.csv`.
        figure: some samples of each model, each above the training scan nearest to it.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device(devices)
    rows = read_table(scans, SCANS)
    train, test = take_split(rows, "train"), take_split(rows, "test")
    model = load_ldae(models, device=device)
    beside = test["participant_id"].rank(method="dense") % 2 == 1
    yardstick, unseen = test[beside], test[~beside]
    count = min(settings.generation.samples, len(yardstick))
    with torch.inference_mode():
        groups = {folder.name: _generated(model, folder, count) for folder in samples}
        groups |= _real(model, _spread(yardstick, count), derivatives)
        medicalnet = load_medicalnet(settings.pretrained)
        features: Features = medicalnet.to(device) if medicalnet else pooled_features
        nearest = {name: Nearest(group.volumes) for name, group in groups.items()}
        reference = []
        for batch in ScanBatches(train, derivatives, batch_size, device):
            reference.append(features(batch.x))
            for each in nearest.values():
                each.see(batch.x)
        held_out = [features(x.x) for x in ScanBatches(unseen, derivatives, batch_size, device)]
        frechet = {
            name: _frechet(
                [features(x) for x in torch.split(group.volumes, batch_size)], reference, held_out
            )
            for name, group in groups.items()
        }
    distances = {
        name: Nearness(each.distance.double().cpu().numpy(), groups[name].units)
        for name, each in nearest.items()
    }
    described = {
        "features": MEDICALNET if medicalnet else POOLED,
        "n_train": len(train),
        "n_test": len(unseen),
    }
    lines = [
        {"model": name}
        | frechet[name]
        | {"n": count}
        | described
        | _copying(distances[name], distances[DECODED], settings)
        for name in groups
    ]
    write_csv(pd.DataFrame(lines), table)
    logging.info("%d volumes each of %s compared with %d scans", count, [*groups], len(train))
    drawn = [folder.name for folder in samples]
    _draw({name: nearest[name] for name in drawn}, train, derivatives, figure)


def _generated(model: LatentDiffusionAutoencoder, folder: Path, count: int) -> Group:
    """The first samples of a folder, each of its own."""
    index, z_0 = read_samples(folder)
    names = index["sample"][:count].astype(str).tolist()
    return Group(model.to_volume(z_0[:count]).clamp(0, 1), names)


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


def _frechet(
    own: list[Tensor], reference: list[Tensor], held_out: list[Tensor]
) -> dict[str, float | str]:
    """Distances of features to those of training and unseen test scans; why one is empty."""
    found = {
        name: frechet_distance(torch.cat(own), torch.cat(others)) if others else float("nan")
        for name, others in (("frechet", reference), ("frechet_test", held_out))
    }
    lost = [f"{name}: {LOST}" for name, distance in found.items() if math.isnan(distance)]
    return found | {"not_computed": "; ".join(lost)}


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
