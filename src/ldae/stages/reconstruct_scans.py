"""Reconstruct the test scans in one way, with one number of DDIM steps, and score each."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldae.config import Metrics, Sampling, Section
from ldae.data.batches import ScanBatch, ScanBatches, load_batch, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.inversions import read_inversions
from ldae.errors import UserError
from ldae.metrics.image import ImageScorer
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.models.lddim import load_lddim
from ldae.models.reconstructions import Attempt, by_dae, by_ldae, by_lddim, controls
from ldae.models.stored import inverted_by
from ldae.report.examples import Example, write_example
from ldae.runtime import pick_device, use_threads, write_text
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_table
from ldae.weights.perceptual import load_perceptual

Part = Literal["ldae", "lddim", "dae", "controls"]
Reconstruct = Callable[[ScanBatch], Iterator[Attempt]]


class Settings(Section):
    """How scans are sampled and scored."""

    seed: int
    pretrained: str | None
    sampling: Sampling
    metrics: Metrics


@dataclass(frozen=True)
class Given:
    """What scans are reconstructed from: stored z_T in `index`, of the models `made_by` names."""

    rows: pd.DataFrame
    derivatives: Path
    models: Path
    index: Path
    made_by: str
    steps: int
    seed: int
    clip: float | None
    device: torch.device

    def z_T(self, batch: ScanBatch) -> Tensor:
        """The stored ones of a batch, `(B, C, X, Y, Z)`."""
        return read_inversions(self.index, batch.rows, made_by=self.made_by).to(self.device)

    def noise(self, batch: ScanBatch, shape: tuple[int, ...]) -> Tensor:
        """A random z_T `(B, *shape)`, which depends on seed and scan alone."""
        return scan_noise(batch.rows, shape, self.seed, "z_T").to(self.device)


def reconstruct_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    inversions: Path,
    part: Part,
    steps: int,
    folder: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write scores per test scan, why some are empty, and what was made of the first scan.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of the trained models.
        inversions: the folder of `{model}/T{steps}/index.parquet`; the controls start from those
            of `ldae`.
        part: what a model makes of its own z_T, and `ldae` of noise; or the `controls`.
        steps: DDIM steps; what is made without sampling counts as made with 0.
        folder: `reconstructions/{part}/T{steps}`, which gets `scores.parquet`, `not_computed.txt`
            and `example.npz`.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    rows, device, clip = read_table(scans, SCANS), pick_device(devices), settings.sampling.clip
    test, model = take_split(rows, "test"), "ldae" if part == "controls" else part
    given = Given(
        rows=rows,
        derivatives=derivatives,
        models=models,
        index=_index(inversions, model, steps),
        made_by=inverted_by(models, model, clip=clip),
        steps=steps,
        seed=settings.seed,
        clip=clip,
        device=device,
    )
    reconstruct = _reconstruction(part, given)
    scorer = ImageScorer(settings.metrics.ssim_window, load_perceptual(settings.pretrained, device))
    scores = []
    with torch.inference_mode():
        for batch in ScanBatches(test, derivatives, batch_size, device):
            made = {}
            for attempt in reconstruct(batch):
                scores.append(_scored(scorer, attempt, batch))
                made[attempt.model, attempt.start] = _first(attempt.volumes)
            if batch.rows.index[0] == 0:
                name = "{} {}, {} steps".format(*batch.rows.iloc[0][KEYS], steps)
                example = Example(name, _first(batch.x), _first(batch.brain), made)
            logging.info("%d of %d scans reconstructed", batch.rows.index[-1] + 1, len(test))
    write_example(folder / "example.npz", example)
    write_text(folder / "not_computed.txt", scorer.not_computed(batch.x))
    write_table(pd.concat(scores, ignore_index=True), folder / "scores.parquet", RECONSTRUCTED)


def _index(inversions: Path, model: str, steps: int) -> Path:
    index = inversions / model / f"T{steps}" / "index.parquet"
    if not index.is_file():
        raise UserError(
            f"--inversions: there is no {index}; make it with "
            f"`ldae invert-scans --model {model} --steps {steps}`"
        )
    return index


def _reconstruction(part: Part, given: Given) -> Reconstruct:
    """What makes every attempt of a part from a batch; only the weights it needs are loaded."""
    parts = {"ldae": _of_ldae, "lddim": _of_lddim, "dae": _of_dae, "controls": _of_controls}
    return parts[part](given)


def _of_ldae(given: Given) -> Reconstruct:
    ldae = load_ldae(given.models, clip=given.clip, device=given.device)
    return lambda batch: by_ldae(
        ldae,
        batch.x,
        z_T=given.z_T(batch),
        noise=given.noise(batch, ldae.latent_shape),
        steps=given.steps,
    )


def _of_lddim(given: Given) -> Reconstruct:
    lddim = load_lddim(given.models, clip=given.clip, device=given.device)
    return lambda batch: by_lddim(lddim, z_T=given.z_T(batch), steps=given.steps)


def _of_dae(given: Given) -> Reconstruct:
    dae = load_dae(given.models, clip=given.clip, device=given.device)
    return lambda batch: by_dae(dae, batch.x, z_T=given.z_T(batch), steps=given.steps)


def _of_controls(given: Given) -> Reconstruct:
    """With two references that need no model: the mean training volume, another subject's scan."""
    ldae = load_ldae(given.models, clip=given.clip, device=given.device)
    average = mean_volume(take_split(given.rows, "train"), given.derivatives).to(given.device)
    test = take_split(given.rows, "test")
    others = test.iloc[other_subject(test)]

    def attempts(batch: ScanBatch) -> Iterator[Attempt]:
        other = load_batch(others.iloc[batch.rows.index], given.derivatives, given.device).x
        yield Attempt("mean-brain", "mean-brain", 0, average.expand_as(batch.x))
        yield Attempt("other-scan", "other-scan", 0, other)
        yield from controls(
            ldae,
            batch.x,
            other=other,
            z_T=given.z_T(batch),
            noise=given.noise(batch, ldae.latent_shape),
            steps=given.steps,
        )

    return attempts


def _scored(scorer: ImageScorer, attempt: Attempt, batch: ScanBatch) -> pd.DataFrame:
    """One line per scan of the batch."""
    lines = batch.rows[KEYS].copy()
    lines[["model", "start", "steps"]] = attempt[:3]
    for name, values in scorer.score(attempt.volumes, batch.x, batch.brain).items():
        lines[name] = values.double().cpu().numpy()
    return lines


def _first(volumes: Tensor) -> NDArray[Any]:
    """The first of `(B, 1, X, Y, Z)`."""
    numbers: NDArray[Any] = volumes[0, 0].cpu().numpy()
    return numbers
