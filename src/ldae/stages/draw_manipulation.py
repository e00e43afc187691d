"""Draw scans with their semantic code moved along the direction that tells AD from CN."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Manipulation, Probe, Sampling, Section
from ldae.data.batches import ScanBatch, load_batch
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.errors import UserError
from ldae.metrics.probe import LinearProbe
from ldae.metrics.tasks import AD_VS_CN, AGE, NEGATIVE, POSITIVE, Task
from ldae.models.ldae import load_ldae
from ldae.report.figures import Row, Volume, centre_of, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, SCANS, read_table, write_csv


class Settings(Section):
    """How far codes are moved, and with how many steps they are sampled."""

    sampling: Sampling
    manipulation: Manipulation


def draw_manipulation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    figure: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Move the first CN and the first AD test scan both ways along the probe's direction.

    When test subjects of one of the two diagnoses are missing, the other's scan is drawn alone.

    z_T comes from the scan with its own code; only y_sem moves, by strength · sqrt(dim) in
    standardised units, towards AD for positive strengths. `table` holds per scan and strength the
    probability of AD and the age (years) that the probes read from the moved code, and from the
    drawn volume encoded again (`_of_image`).

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the codes the directions are fitted on (`embeddings/ldae.parquet`).
        figure: the scans at every strength, and how they differ from strength 0.
        table: the numbers.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device()
    rows = read_table(scans, SCANS)
    train, test = take_split(rows, "train"), take_split(rows, "test")
    probe = settings.manipulation.probe
    diagnosis_probe, age_probe = (_fit(task, train, embeddings, probe) for task in (AD_VS_CN, AGE))
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    steps, strengths = settings.manipulation.steps, sorted({0.0, *settings.manipulation.strengths})
    lines, drawn = [], []
    for scan in _examples(test):
        batch = load_batch(scan, derivatives, device)
        with torch.inference_mode():
            y = model.encode(batch.x)
            z_T = model.invert(model.to_latent(batch.x), y, steps=steps)
            own = y.cpu().numpy()
            moved = np.concatenate([diagnosis_probe.move(own, strength) for strength in strengths])
            code = torch.from_numpy(moved).to(y)
            sampled = model.sample(z_T.expand(len(code), *z_T.shape[1:]), code, steps=steps)
            volumes = model.to_volume(sampled).clamp(0, 1)
            again = torch.cat([model.encode(x) for x in torch.split(volumes, 1)]).cpu().numpy()
        numbers = {
            "strength": strengths,
            "probability": diagnosis_probe.probability(moved),
            "age": age_probe.score(moved),
            "probability_of_image": diagnosis_probe.probability(again),
            "age_of_image": age_probe.score(again),
        }
        lines.append(pd.DataFrame({**scan.iloc[0][["diagnosis", *KEYS]], **numbers}))
        drawn.append((batch, [volume.numpy() for volume in volumes[:, 0].cpu()]))
    write_csv(pd.concat(lines), table)
    _draw(figure, drawn, strengths)


def _fit(task: Task, train: pd.DataFrame, embeddings: Path, settings: Probe) -> LinearProbe:
    """The probe of `task` on training scans' codes; its weights are the direction."""
    seen = train[task.eligible(train)]
    subjects = seen["participant_id"].to_numpy()
    return task.fit(read_embeddings(embeddings, seen), task.target(seen), subjects, settings)


def _examples(test: pd.DataFrame) -> list[pd.DataFrame]:
    """The first scan of each of the two diagnoses, as far as there are any."""
    found = [test[test["diagnosis"] == diagnosis] for diagnosis in (NEGATIVE, POSITIVE)]
    if all(rows.empty for rows in found):
        raise UserError(
            f"no test scan is {NEGATIVE} or {POSITIVE}; enlarge the cohort or split: test"
        )
    return [rows.iloc[:1] for rows in found if not rows.empty]


def _draw(path: Path, drawn: list[tuple[ScanBatch, list[Volume]]], strengths: list[float]) -> None:
    """One block per scan: sampled volumes, then what the strength adds to the unmoved one."""
    rows = []
    for batch, volumes in drawn:
        unmoved = volumes[strengths.index(0.0)]
        scan = batch.x[0, 0].cpu().numpy()
        changes = [volume - unmoved for volume in volumes]
        limit = float(np.abs(changes).max()) or 1.0
        for plane in ("axial", "coronal"):
            name = f"{batch.rows['diagnosis'].iloc[0]}\n{plane}"
            rows.append(Row(name, [scan, *volumes], plane=plane))
            rows.append(
                Row("change", [None, *changes], plane=plane, kind="difference", limit=limit)
            )
    first = drawn[0][0]
    draw_rows(
        path,
        title="Semantic code moved towards CN (-) and AD (+), z_T kept",
        columns=["scan", *[f"{strength:+g}" if strength else "0" for strength in strengths]],
        rows=rows,
        centre=centre_of(first.brain[0, 0].cpu().numpy()),
    )
