"""Score reconstructions of test scans by what they start from and by the number of DDIM steps.

The controls stand in the same table, since inverting and sampling well proves nothing about y_sem:
the diffusion model alone, another subject's code, no noise, no code and so no gradient estimator,
the clamp the other way, the mean training volume, and another subject's scan.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldae.config import Bootstrap, Metrics, Reconstruction, Sampling, Section
from ldae.data.batches import ScanBatch, ScanBatches, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.inversions import read_inversions
from ldae.errors import UserError
from ldae.metrics.image import METRICS, ImageScorer
from ldae.metrics.statistics import mean_of
from ldae.metrics.summary import over_subjects
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.models.stored import INVERTED_WITH, inverted_by
from ldae.report.reconstruction import draw_reconstruction
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_csv, write_table
from ldae.weights.perceptual import load_perceptual

GROUP = ["model", "start", "steps"]
ORIGINAL_CLIP = 1.0  # the original's bound on the predicted clean latent, both ways


class Settings(Section):
    """How scans are sampled and scored."""

    seed: int
    pretrained: str | None
    sampling: Sampling
    dae_sampling: Sampling
    metrics: Metrics
    reconstruction: Reconstruction
    bootstrap: Bootstrap


class Attempt(NamedTuple):
    """Volumes `(B, 1, X, Y, Z)` meant to equal the batch's, and where they come from."""

    model: str
    start: str
    steps: int
    volumes: Tensor


class Start(NamedTuple):
    """What sampling starts from: z_T `(B, C, X, Y, Z)`, and a code `(B, E)` or none."""

    model: str
    start: str
    z_T: Tensor
    y: Tensor | None


@dataclass(frozen=True)
class Inversions:
    """The stored z_T of test scans, by model and number of steps."""

    indices: Mapping[str, Mapping[int, Path]]
    made_by: Mapping[str, str]

    def read(self, model: str, steps: int, rows: pd.DataFrame) -> Tensor:
        """z_T `(B, C, X, Y, Z)` of the scans `rows`."""
        if steps not in self.indices.get(model, {}):
            raise UserError(
                f"--inversions: none of {model} with {steps} steps (T{steps}); make it with "
                f"`ldae invert-scans --model {model} --steps {steps}`, or leave reconstruction: out"
            )
        return read_inversions(self.indices[model][steps], rows, made_by=self.made_by[model])


class Bench(NamedTuple):
    """All that reconstructs: `dae` is None in a run without it."""

    ldae: LatentDiffusionAutoencoder
    dae: DiffusionAutoencoder | None
    inversions: Inversions
    settings: Settings


def evaluate_reconstruction(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    inversions: list[Path],
    per_scan: Path,
    table: Path,
    figure: Path,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write scores per test scan, their means with intervals over subjects, and one scan drawn.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of the trained models.
        inversions: `inversions/{model}/T{steps}/index.parquet`: of `ldae` with all steps, and of
            the baselines that are to be scored, `lddim` with the most and `dae` with `dae_steps`.
        per_scan: `tables/reconstruction.parquet`, one row per scan, model, start and steps.
        table: `tables/reconstruction.csv`, the means.
        figure: the first test scan beside its reconstructions with `control_steps`.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    rows = read_table(scans, SCANS)
    test = take_split(rows, "test")
    bench = _load(models, inversions, settings)
    device = bench.ldae.device
    scorer = ImageScorer(settings.metrics.ssim_window, load_perceptual(settings.pretrained, device))
    average = mean_volume(take_split(rows, "train"), derivatives).to(device)
    others = test.iloc[other_subject(test)]
    steps = settings.reconstruction.control_steps
    scores = []
    with torch.inference_mode():
        for batch, other in zip(
            ScanBatches(test, derivatives, batch_size, device),
            ScanBatches(others, derivatives, batch_size, device),
            strict=True,
        ):
            drawn = {}
            for attempt in _attempts(bench, batch, other, average):
                scores.append(_scored(scorer, attempt, batch))
                if attempt.steps in (0, steps):
                    drawn[attempt[:2]] = _numbers(attempt.volumes)
            if batch.rows.index[0] == 0:
                name = "{} {}, {} steps".format(*batch.rows.iloc[0][KEYS], steps)
                draw_reconstruction(figure, name, _numbers(batch.x), _numbers(batch.brain), drawn)
            logging.info("%d of %d scans reconstructed", batch.rows.index[-1] + 1, len(test))
    scored = pd.concat(scores, ignore_index=True)
    write_table(scored, per_scan, RECONSTRUCTED)
    write_csv(_means(scored, scorer.not_computed(batch.x), settings), table)


def _load(models: Path, inversions: Sequence[Path], settings: Settings) -> Bench:
    indices: dict[str, dict[int, Path]] = {}
    for index in inversions:
        model, steps = index.parent.parent.name, index.parent.name.removeprefix("T")
        if model not in INVERTED_WITH or not steps.isdecimal():
            raise UserError(f"--inversions: {index} is not .../MODEL/T<steps>/index.parquet")
        indices.setdefault(model, {})[int(steps)] = index
    clip, dae_clip, device = settings.sampling.clip, settings.dae_sampling.clip, pick_device()
    made_by = {
        model: inverted_by(models, model, clip=dae_clip if model == "dae" else clip)
        for model in indices
    }
    return Bench(
        ldae=load_ldae(models, clip=clip, device=device),
        dae=load_dae(models, clip=dae_clip, device=device) if "dae" in indices else None,
        inversions=Inversions(indices, made_by),
        settings=settings,
    )


def _attempts(
    bench: Bench, batch: ScanBatch, other: ScanBatch, average: Tensor
) -> Iterator[Attempt]:
    """Every reconstruction of a batch; its random z_T depends on seed and scan alone."""
    ldae, inversions, seed = bench.ldae, bench.inversions, bench.settings.seed
    yield Attempt("mean-brain", "mean-brain", 0, average.expand_as(batch.x))
    yield Attempt("other-scan", "other-scan", 0, other.x)
    z_0, y, wrong = ldae.to_latent(batch.x), ldae.encode(batch.x), ldae.encode(other.x)
    yield Attempt("autoencoder", "bottleneck", 0, ldae.to_volume(z_0))
    noise = scan_noise(batch.rows, ldae.latent_shape, seed, "z_T").to(z_0)
    wanted = bench.settings.reconstruction
    for steps in sorted(set(wanted.steps)):
        z_T = inversions.read("ldae", steps, batch.rows).to(z_0)
        starts = [Start("ldae", "encoded", z_T, y), Start("ldae", "semantic", noise, y)]
        if steps == wanted.control_steps:
            starts += [
                Start("ldae", "wrong-subject", noise, wrong),
                Start("ldae", "encoded-wrong-subject", z_T, wrong),
                Start("ldae", "zero", torch.zeros_like(noise), y),
            ]
            codeless = [
                Start("ldae", "encoded-without-code", z_T, None),
                Start("ldm", "unconditional", noise, None),
            ]
            yield from _sampled(ldae, codeless, steps)
        yield from _sampled(ldae, starts, steps)
    clamp, other_clip = ("clamped", ORIGINAL_CLIP) if ldae.clip is None else ("unclamped", None)
    turned, steps = replace(ldae, clip=other_clip), wanted.control_steps
    starts = [
        Start("ldae", f"encoded-{clamp}", turned.invert(z_0, y, steps=steps), y),
        Start("ldae", f"semantic-{clamp}", noise, y),
    ]
    yield from _sampled(turned, starts, steps)
    if "lddim" in inversions.indices:
        steps = max(wanted.steps)
        z_T = inversions.read("lddim", steps, batch.rows).to(z_0)
        yield from _sampled(ldae, [Start("lddim", "encoded", z_T, None)], steps)
    if bench.dae is not None:
        x_T = inversions.read("dae", wanted.dae_steps, batch.rows).to(z_0)
        start = Start("dae", "encoded", x_T, bench.dae.encode(batch.x))
        yield from _sampled(bench.dae, [start], wanted.dae_steps)


def _sampled(model: DiffusionAutoencoder, starts: Sequence[Start], steps: int) -> Iterator[Attempt]:
    """Sample all starts together; either all have a code or none."""
    codes = [start.y for start in starts if start.y is not None]
    z_T = torch.cat([start.z_T for start in starts])
    z_0 = model.sample(z_T, torch.cat(codes) if codes else None, steps=steps)
    for start, part in zip(starts, z_0.chunk(len(starts)), strict=True):
        yield Attempt(start.model, start.start, steps, model.to_volume(part))


def _scored(scorer: ImageScorer, attempt: Attempt, batch: ScanBatch) -> pd.DataFrame:
    """One line per scan of the batch."""
    lines = batch.rows[KEYS].copy()
    lines[GROUP] = attempt[:3]
    for name, values in scorer.score(attempt.volumes, batch.x, batch.brain).items():
        lines[name] = values.double().cpu().numpy()
    return lines


def _numbers(volumes: Tensor) -> NDArray[Any]:
    """The first of `(B, 1, X, Y, Z)`."""
    numbers: NDArray[Any] = volumes[0, 0].cpu().numpy()
    return numbers


def _means(scored: pd.DataFrame, not_computed: str, settings: Settings) -> pd.DataFrame:
    """Means over scans with intervals over subjects; `not_computed` explains empty columns."""
    lines = []
    for keys, group in scored.groupby(GROUP, sort=False):
        statistics = {name: mean_of(group[name].to_numpy()) for name in METRICS}
        means = over_subjects(statistics, group, bootstrap=settings.bootstrap, seed=settings.seed)
        counts = {"n_scans": len(group), "n_subjects": group["participant_id"].nunique()}
        said = {"not_computed": not_computed}
        lines.append(dict(zip(GROUP, keys, strict=True)) | means | counts | said)
    return pd.DataFrame(lines)
