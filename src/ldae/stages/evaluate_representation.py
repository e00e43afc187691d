"""Measure whether the semantic code is alive: its spread, and what the models lose without it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Ldae, Metrics, Reconstruction, Sampling, Section
from ldae.data.batches import ScanBatches, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.predictions import read_predictions
from ldae.metrics.codes import code_statistics, has_collapsed
from ldae.metrics.gain import middles
from ldae.metrics.margins import ssim_margins, stored_margins
from ldae.metrics.statistics import Array, Statistic, mean_of, ratio_of
from ldae.metrics.summary import over_subjects
from ldae.metrics.tasks import trained_for
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.ldae import load_ldae
from ldae.models.together import together
from ldae.objectives import RepresentationObjective, VoxelObjective
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_csv

TIMES, GIVEN = 10, ("right", "wrong", "without")  # diffusion times and codes of the losses
LATENT = ("ldae", "ldae-volume")
DECODED = (*LATENT, "dae")  # models whose use of the code is measured
ONE_DESIGN = ("ldae", "dae", "random-init")  # encoders of the design that is trained supervised
MEASURES = ["shuffled_loss_ratio", "wrong_subject_margin"]
CEILINGS = {"ad_vs_cn": "roc_auc", "age": "mae"}  # by task
ABSENT = {
    "shuffled_loss_ratio": "no decoder is trained with this code",
    "wrong_subject_margin": "measured of latent diffusion autoencoders only",
} | {
    f"supervised_{metric}": "no network of this design is trained supervised in this run"
    for metric in CEILINGS.values()
}
BOUNDS = ("", "_low", "_high")
COLUMNS = [
    *("encoder", "variance_per_dim", "effective_rank"),
    *[f"{measure}{end}" for measure in MEASURES for end in BOUNDS],
    *("n_dims", "n_scans", "n_subjects"),
    *[f"supervised_{metric}{end}" for metric in CEILINGS.values() for end in BOUNDS],
    *("collapsed", "not_computed"),
]
TIME_COLUMNS = [
    *("encoder", "t", *[f"loss_{given}" for given in GIVEN]),
    *[f"{measure}{end}" for measure in ("shuffled_loss_ratio", "gain") for end in BOUNDS],
    *("n_scans", "n_subjects"),
]


class Settings(Section):
    """The seed of the noise, the losses as trained, sampling, and how intervals are drawn."""

    seed: int
    ldae: Ldae
    ldae_volume: Ldae
    sampling: Sampling
    metrics: Metrics
    reconstruction: Reconstruction
    bootstrap: Bootstrap


@dataclass(frozen=True)
class Trial:
    """A model on test scans: their own codes `right` and another subject's `wrong`, `(N, E)`."""

    encoder: str
    model: DiffusionAutoencoder
    objective: RepresentationObjective | VoxelObjective
    batches: ScanBatches
    right: Tensor
    wrong: Tensor
    settings: Settings


def evaluate_representation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: list[Path],
    supervised: list[Path],
    per_scan: Path,
    table: Path,
    by_time: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write `tables/representation.csv`, one row per encoder over test scans, and it by time.

    `shuffled_loss_ratio` is the training loss with another subject's code over that with the right
    one, of `ldae`, `ldae-volume` and `dae`: 1 for a code that is not used. `wrong_subject_margin`,
    of the first two, is the SSIM that samples from y_sem lose when the code is another subject's. A
    `collapsed` code hardly tells scans apart, which probes do not notice, since standardising
    inflates what is left of it. `supervised_…` is what the same design reaches when it is trained
    for the question.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm` and those of the three that are embedded.
        embeddings: one `embeddings/{encoder}.parquet` per encoder; the file's name is the row's.
        supervised: `predictions/supervised-diagnosis.parquet` and `…-age.parquet`, or none.
        per_scan: `tables/reconstruction.parquet`, whose samples are not drawn a second time.
        table: the table to write.
        by_time: per model and diffusion time, the losses with the right code, a wrong one and none;
            `gain` is the share of the last, not of the DAE, that the right one removes beyond it.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    test = take_split(read_table(scans, SCANS), "test")
    scored = read_table(per_scan, RECONSTRUCTED)
    ceilings = _ceilings(supervised, test, settings)
    batches = ScanBatches(test, derivatives, batch_size, pick_device(devices))
    lines, times = [], []
    for path in embeddings:
        line = _spread(path, test)
        if path.stem in ONE_DESIGN:
            line |= ceilings
        if path.stem in DECODED:
            trial = _prepared(path, batches, models, settings)
            losses = _losses(trial)
            wrong, right = (losses[given].sum(axis=1) for given in ("wrong", "right"))
            line |= _summarised({"shuffled_loss_ratio": ratio_of(wrong, right)}, test, settings)
            times += _by_time(trial, losses)
        if path.stem in LATENT:
            margins = stored_margins(scored, path.stem)
            margins = _sampled_margins(trial) if margins.empty else margins
            margin = {"wrong_subject_margin": mean_of(margins["margin"].to_numpy())}
            line |= _summarised(margin, margins, settings)
        why = [f"{name}: {why}" for name, why in ABSENT.items() if name not in line]
        lines.append(line | {"not_computed": "; ".join(why)})
    write_csv(pd.DataFrame(lines).reindex(columns=COLUMNS), table)
    write_csv(pd.DataFrame(times, columns=TIME_COLUMNS), by_time)


def _spread(path: Path, test: pd.DataFrame) -> dict[str, object]:
    """How far an encoder's codes lie apart."""
    codes = read_embeddings(path, test)
    statistics = code_statistics(torch.tensor(codes))
    return {
        "encoder": path.stem,
        "variance_per_dim": statistics["code_variance"],
        "effective_rank": statistics["code_effective_rank"],
        "n_dims": codes.shape[1],
        "n_scans": len(test),
        "n_subjects": test["participant_id"].nunique(),
        "collapsed": has_collapsed(statistics, scans=len(test)),
    }


def _ceilings(supervised: list[Path], test: pd.DataFrame, settings: Settings) -> dict[str, float]:
    """How well networks trained for a question answer it, of those questions there are."""
    found: dict[str, float] = {}
    for path in supervised:
        task = trained_for(path.stem)
        asked = test[task.eligible(test)]
        metric = CEILINGS[task.name]
        if len(asked):
            statistics = task.statistics(task.target(asked), read_predictions(path, asked))
            found |= _summarised({f"supervised_{metric}": statistics[metric]}, asked, settings)
    return found


def _prepared(path: Path, batches: ScanBatches, models: Path, settings: Settings) -> Trial:
    """The model of an encoder, its weights of the loss as trained, and its stored codes."""
    codes = torch.tensor(read_embeddings(path, batches.rows), device=batches.device)
    wrong = codes[other_subject(batches.rows)]
    if path.stem == "dae":
        dae = load_dae(models, device=batches.device)
        voxels = VoxelObjective(dae.semantic_encoder, dae.noise_predictor, dae.schedule)
        few = replace(batches, size=min(batches.size, together(dae.volume_shape)))
        return Trial("dae", dae, voxels, few, codes, wrong, settings)
    trained = settings.ldae if path.stem == "ldae" else settings.ldae_volume
    ldae = load_ldae(models, name=path.stem, clip=settings.sampling.clip, device=batches.device)
    latents = RepresentationObjective(
        ldae.semantic_encoder, ldae.shifted, ldae.schedule, trained.snr_exponent
    )
    return Trial(path.stem, ldae, latents, batches, codes, wrong, settings)


@torch.inference_mode()
def _losses(trial: Trial) -> dict[str, Array]:
    """Losses `(N, TIMES)` by code given, at the same times and noise; NaN: of the DAE without."""
    model, objective = trial.model, trial.objective
    found = {given: np.full((len(trial.batches.rows), TIMES), np.nan) for given in GIVEN}
    for batch in trial.batches:
        here = batch.rows.index.tolist()
        target = batch.x if isinstance(objective, VoxelObjective) else model.to_latent(batch.x)
        noise = scan_noise(batch.rows, model.latent_shape, trial.settings.seed, "loss").to(target)
        for index, time in enumerate(middles(model.schedule.timesteps, TIMES)):
            t = torch.full((len(target),), time, device=model.device)
            each = {
                "right": objective.given_code(trial.right[here], target, noise, t),
                "wrong": objective.given_code(trial.wrong[here], target, noise, t),
            }
            if isinstance(objective, RepresentationObjective):
                each["without"] = objective.without_code(target, noise, t)
            for given, losses in each.items():
                found[given][here, index] = losses.double().cpu().numpy()
    return found


def _by_time(trial: Trial, losses: Mapping[str, Array]) -> list[dict[str, object]]:
    """A line per diffusion time."""
    rows, lines = trial.batches.rows, []
    for index, time in enumerate(middles(trial.model.schedule.timesteps, TIMES)):
        right, wrong, without = (losses[given][:, index] for given in GIVEN)
        means = {f"loss_{given}": float(of[:, index].mean()) for given, of in losses.items()}
        both = {"shuffled_loss_ratio": ratio_of(wrong, right)}
        if np.isfinite(without).all():
            both["gain"] = ratio_of(wrong - right, without)
        counts = {"n_scans": len(rows), "n_subjects": rows["participant_id"].nunique()}
        line = {"encoder": trial.encoder, "t": time} | means | counts
        lines.append(line | _summarised(both, rows, trial.settings))
    return lines


@torch.inference_mode()
def _sampled_margins(trial: Trial) -> pd.DataFrame:
    """The same of a model that reconstruction is not scored of, from the same z_T and steps."""
    model, settings = trial.model, trial.settings
    steps, window = settings.reconstruction.control_steps, settings.metrics.ssim_window
    margins = []
    for batch in trial.batches:
        here = batch.rows.index.tolist()
        z_T = scan_noise(batch.rows, model.latent_shape, settings.seed, "z_T")
        own, other = (
            model.to_volume(model.sample(z_T, codes[here], steps=steps))
            for codes in (trial.right, trial.wrong)
        )
        margins.append(ssim_margins(own, other, batch.x, window=window).double().cpu().numpy())
    return trial.batches.rows[KEYS].assign(margin=np.concatenate(margins))


def _summarised(
    statistics: dict[str, Statistic], rows: pd.DataFrame, settings: Settings
) -> dict[str, float]:
    return over_subjects(statistics, rows, bootstrap=settings.bootstrap, seed=settings.seed)
