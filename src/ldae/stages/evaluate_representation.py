"""Measure whether the semantic code is alive: its spread, and what the models lose without it."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Bootstrap, Ldae, Sampling, Section
from ldae.data.batches import ScanBatches, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.embeddings import read_embeddings
from ldae.diffusion.losses import representation_loss
from ldae.metrics.codes import code_statistics
from ldae.metrics.statistics import Statistic, mean_of, ratio_of, subject_weights, summarise
from ldae.models.ldae import load_ldae
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, RECONSTRUCTED, SCANS, read_table, write_csv

TIMES = 10  # diffusion times at which the loss is compared, evenly spread
MEASURES = ["shuffled_loss_ratio", "wrong_subject_margin"]
COLUMNS = [
    *("encoder", "variance_per_dim", "effective_rank"),
    *[f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")],
    *("n_dims", "n_scans", "n_subjects"),
]


class Settings(Section):
    """The seed of the noise, the loss as trained, and how intervals are drawn."""

    seed: int
    ldae: Ldae
    sampling: Sampling
    bootstrap: Bootstrap


def evaluate_representation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: list[Path],
    per_scan: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write `tables/representation.csv`: one row per encoder, over test scans.

    `shuffled_loss_ratio` is the training loss with another subject's code over that with the right
    one: 1 for a code that is not used. `wrong_subject_margin` is the SSIM that samples from y_sem
    lose when the code is another subject's. Both are of `ldae` alone.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: one `embeddings/{encoder}.parquet` per encoder; the file's name is the row's.
        per_scan: `tables/reconstruction.parquet`.
        table: the table to write.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    test = take_split(read_table(scans, SCANS), "test")
    lines = []
    for path in embeddings:
        codes = read_embeddings(path, test)
        statistics = code_statistics(torch.tensor(codes))
        line: dict[str, object] = {
            "encoder": path.stem,
            "variance_per_dim": statistics["code_variance"],
            "effective_rank": statistics["code_effective_rank"],
            "n_dims": codes.shape[1],
            "n_scans": len(test),
            "n_subjects": test["participant_id"].nunique(),
        }
        if path.stem == "ldae":
            ratio = _shuffled_loss_ratio(test, derivatives, models, settings)
            line |= _with_interval("shuffled_loss_ratio", ratio, test, settings)
            margins = _margins(read_table(per_scan, RECONSTRUCTED))
            margin = mean_of(margins["margin"].to_numpy())
            line |= _with_interval("wrong_subject_margin", margin, margins, settings)
        lines.append(line)
    write_csv(pd.DataFrame(lines).reindex(columns=COLUMNS), table)


def _shuffled_loss_ratio(
    rows: pd.DataFrame, derivatives: Path, models: Path, settings: Settings
) -> Statistic:
    """Loss with the wrong code over loss with the right one, at the same times and noise."""
    device = pick_device()
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    batches = ScanBatches(rows, derivatives, settings.sampling.batch_size, device)
    steps = model.schedule.timesteps
    right, wrong = np.zeros(len(rows)), np.zeros(len(rows))
    with torch.inference_mode():
        codes = torch.cat([model.encode(batch.x) for batch in batches])
        others = codes[other_subject(rows)]
        for batch in batches:
            here = batch.rows.index.tolist()
            z_0 = model.to_latent(batch.x)
            noise = scan_noise(batch.rows, model.latent_shape, settings.seed, "loss").to(z_0)
            for index in range(TIMES):
                t = torch.full((len(z_0),), (2 * index + 1) * steps // (2 * TIMES), device=device)
                for total, code in ((right, codes), (wrong, others)):
                    loss = representation_loss(
                        model.shifted,
                        model.schedule,
                        z_0=z_0,
                        noise=noise,
                        t=t,
                        y=code[here],
                        snr_exponent=settings.ldae.snr_exponent,
                    )
                    total[here] += loss.double().cpu().numpy()
    return ratio_of(wrong, right)


def _margins(scored: pd.DataFrame) -> pd.DataFrame:
    """SSIM of samples from the right code minus from another subject's, per scan, at most steps."""
    sampled = (scored["model"] == "ldae") & scored["start"].isin(["semantic", "wrong-subject"])
    last = scored[sampled & (scored["steps"] == scored["steps"].max())]
    paired: pd.DataFrame = last.pivot_table(
        index=KEYS, columns="start", values="ssim"
    ).reset_index()
    paired["margin"] = paired["semantic"] - paired["wrong-subject"]
    return paired


def _with_interval(
    name: str, statistic: Statistic, rows: pd.DataFrame, settings: Settings
) -> dict[str, float]:
    subjects = rows["participant_id"].tolist()
    weights = subject_weights(
        subjects, replicates=settings.bootstrap.replicates, seed=settings.seed
    )
    return summarise({name: statistic}, weights, settings.bootstrap.confidence)
