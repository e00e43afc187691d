"""Measure whether the semantic code is alive: its spread, and what the models lose without it."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from ldae.metrics.image import ssim_map
from ldae.metrics.statistics import Array, Statistic, mean_of, ratio_of
from ldae.metrics.summary import over_subjects
from ldae.metrics.tasks import trained_for
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.objectives import RepresentationObjective
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_csv

TIMES, GIVEN = 10, ("right", "wrong", "without")  # diffusion times and codes of the losses
LATENT = ("ldae", "ldae-volume")  # models whose use of the code is measured
ONE_DESIGN = ("ldae", "dae", "random-init")  # encoders of the design that is trained supervised
MEASURES = ["shuffled_loss_ratio", "wrong_subject_margin"]
CEILINGS = {"ad_vs_cn": "roc_auc", "age": "mae"}  # by task
ABSENT = dict.fromkeys(MEASURES, "measured of latent diffusion autoencoders only") | {
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
    model: LatentDiffusionAutoencoder
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
    threads: int,
    settings: Settings,
) -> None:
    """Write `tables/representation.csv`, one row per encoder over test scans, and it by time.

    `shuffled_loss_ratio` is the training loss with another subject's code over that with the right
    one: 1 for a code that is not used. `wrong_subject_margin` is the SSIM that samples from y_sem
    lose when the code is another subject's. Both are of `ldae` and `ldae-volume`. A `collapsed`
    code hardly tells scans apart, which probes do not notice, since standardising inflates what is
    left of it. `supervised_…` is what the same design reaches when it is trained for the question.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm`, `ldae` and, where embedded, `ldae-volume`.
        embeddings: one `embeddings/{encoder}.parquet` per encoder; the file's name is the row's.
        supervised: `predictions/supervised-diagnosis.parquet` and `…-age.parquet`, or none.
        per_scan: `tables/reconstruction.parquet`, whose samples are not drawn a second time.
        table: the table to write.
        by_time: per model and diffusion time, the losses with the right code, a wrong one and none;
            `gain` is the share of the last that the right code removes beyond the wrong one.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    test = take_split(read_table(scans, SCANS), "test")
    scored = read_table(per_scan, RECONSTRUCTED)
    ceilings = _ceilings(supervised, test, settings)
    lines, times = [], []
    for path in embeddings:
        line = _spread(path, test)
        if path.stem in ONE_DESIGN:
            line |= ceilings
        if path.stem in LATENT:
            trial = _prepared(path.stem, test, derivatives, models, settings)
            losses = _losses(trial)
            each = {given: of.sum(axis=1) for given, of in losses.items()}
            ratio = {"shuffled_loss_ratio": ratio_of(each["wrong"], each["right"])}
            line |= _summarised(ratio, test, settings)
            margins = _stored_margins(scored, path.stem)
            margins = _sampled_margins(trial) if margins.empty else margins
            margin = {"wrong_subject_margin": mean_of(margins["margin"].to_numpy())}
            line |= _summarised(margin, margins, settings)
            times += _by_time(trial, losses)
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
        "collapsed": has_collapsed(statistics),
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


def _prepared(
    encoder: str, test: pd.DataFrame, derivatives: Path, models: Path, settings: Settings
) -> Trial:
    model = load_ldae(models, name=encoder, clip=settings.sampling.clip, device=pick_device())
    batches = ScanBatches(test, derivatives, settings.sampling.batch_size, model.device)
    codes = torch.cat([model.encode(batch.x) for batch in batches])
    return Trial(encoder, model, batches, codes, codes[other_subject(test)], settings)


@torch.inference_mode()
def _losses(trial: Trial) -> dict[str, Array]:
    """Losses `(N, TIMES)` by what code is given, at the same times and noise."""
    model, settings = trial.model, trial.settings
    trained = settings.ldae if trial.encoder == "ldae" else settings.ldae_volume
    objective = RepresentationObjective(
        model.semantic_encoder, model.shifted, model.schedule, trained.snr_exponent
    )
    found = {given: np.zeros((len(trial.batches.rows), TIMES)) for given in GIVEN}
    for batch in trial.batches:
        here = batch.rows.index.tolist()
        z_0 = model.to_latent(batch.x)
        noise = scan_noise(batch.rows, model.latent_shape, settings.seed, "loss").to(z_0)
        for index, time in enumerate(_times(model.schedule.timesteps)):
            t = torch.full((len(z_0),), time, device=model.device)
            each = (
                objective.given_code(trial.right[here], z_0, noise, t),
                objective.given_code(trial.wrong[here], z_0, noise, t),
                objective.without_code(z_0, noise, t),
            )
            for given, losses in zip(GIVEN, each, strict=True):
                found[given][here, index] = losses.double().cpu().numpy()
    return found


def _times(timesteps: int) -> list[int]:
    """The middles of equal parts of the diffusion time."""
    return [(2 * index + 1) * timesteps // (2 * TIMES) for index in range(TIMES)]


def _by_time(trial: Trial, losses: Mapping[str, Array]) -> list[dict[str, object]]:
    """A line per diffusion time."""
    rows, lines = trial.batches.rows, []
    for index, time in enumerate(_times(trial.model.schedule.timesteps)):
        right, wrong, without = (losses[given][:, index] for given in GIVEN)
        ratio, gain = ratio_of(wrong, right), ratio_of(wrong - right, without)
        means = {f"loss_{given}": float(of[:, index].mean()) for given, of in losses.items()}
        both = {"shuffled_loss_ratio": ratio, "gain": gain}
        counts = {"n_scans": len(rows), "n_subjects": rows["participant_id"].nunique()}
        line = {"encoder": trial.encoder, "t": time} | means | counts
        lines.append(line | _summarised(both, rows, trial.settings))
    return lines


def _stored_margins(scored: pd.DataFrame, encoder: str) -> pd.DataFrame:
    """SSIM of samples from the right code less that from a wrong one, per scan."""
    starts = scored["start"].isin(["semantic", "wrong-subject"])
    sampled = scored[starts & (scored["model"] == encoder)]
    both = sampled.loc[sampled["start"] == "wrong-subject", "steps"].max()
    last = sampled[sampled["steps"] == both]
    paired: pd.DataFrame = last.pivot_table(index=KEYS, columns="start", values="ssim")
    if paired.shape[1] < 2:
        return pd.DataFrame()
    paired["margin"] = paired["semantic"] - paired["wrong-subject"]
    return paired.reset_index()


@torch.inference_mode()
def _sampled_margins(trial: Trial) -> pd.DataFrame:
    """The same of a model that reconstruction is not scored of, from the same z_T and steps."""
    model, settings = trial.model, trial.settings
    margins = []
    for batch in trial.batches:
        here = batch.rows.index.tolist()
        z_T = scan_noise(batch.rows, model.latent_shape, settings.seed, "z_T")
        similarity = []
        for codes in (trial.right[here], trial.wrong[here]):
            z_0 = model.sample(z_T, codes, steps=settings.reconstruction.control_steps)
            volumes = model.to_volume(z_0).clamp(0, 1)
            each = ssim_map(volumes, batch.x, window=settings.metrics.ssim_window)
            similarity.append(each.flatten(1).mean(dim=1))
        margins.append((similarity[0] - similarity[1]).double().cpu().numpy())
    return trial.batches.rows[KEYS].assign(margin=np.concatenate(margins))


def _summarised(
    statistics: dict[str, Statistic], rows: pd.DataFrame, settings: Settings
) -> dict[str, float]:
    return over_subjects(statistics, rows, bootstrap=settings.bootstrap, seed=settings.seed)
