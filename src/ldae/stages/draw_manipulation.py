"""Draw scans with their semantic code moved along the direction that tells AD from CN."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Manipulation, Sampling, Section
from ldae.data.batches import ScanBatch, load_batch, take_split
from ldae.errors import UserError
from ldae.metrics.probe import LinearProbe
from ldae.metrics.tasks import AD_VS_CN, AGE, NEGATIVE, POSITIVE
from ldae.models import load_ldae
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
    probes: Path,
    figure: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Move the first CN and the first AD test scan both ways along the probe's direction.

    z_T comes from the scan with its own code; only y_sem moves, by strength · sqrt(dim) in
    standardised units, towards AD for positive strengths. `table` holds per scan and strength the
    probability of AD and the age (years) that the probes read from the moved code, and from the
    drawn volume encoded again (`_of_image`).

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        probes: `models/probes.json`.
        figure: the scans at every strength, and how they differ from strength 0.
        table: the numbers.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device()
    test = take_split(read_table(scans, SCANS), "test")
    diagnosis_probe, age_probe = _read_probes(probes)
    model = load_ldae(models, clip=settings.sampling.clip, device=device)
    steps, strengths = settings.manipulation.steps, sorted(settings.manipulation.strengths)
    lines, drawn = [], []
    for diagnosis in (NEGATIVE, POSITIVE):
        batch = load_batch(_first(test, diagnosis), derivatives, device)
        with torch.inference_mode():
            y = model.encode(batch.x)
            z_T = model.invert(model.to_latent(batch.x), y, steps=steps)  # noqa: N806
            volumes = []
            for strength in [0.0, *strengths]:
                moved = diagnosis_probe.move(y.cpu().numpy(), strength)
                code = torch.from_numpy(moved).to(y)
                volume = model.to_volume(model.sample(z_T, code, steps=steps)).clamp(0, 1)
                volumes.append(volume[0, 0].cpu().numpy())
                again = model.encode(volume).cpu().numpy()
                lines.append(
                    {
                        "diagnosis": diagnosis,
                        **batch.rows[KEYS].iloc[0],
                        "strength": strength,
                        "probability": diagnosis_probe.probability(moved)[0],
                        "age": age_probe.score(moved)[0],
                        "probability_of_image": diagnosis_probe.probability(again)[0],
                        "age_of_image": age_probe.score(again)[0],
                    }
                )
        drawn.append((batch, volumes))
    numbers = pd.DataFrame(lines).drop_duplicates([*KEYS, "strength"], ignore_index=True)
    write_csv(numbers.sort_values(["diagnosis", "strength"]), table)
    _draw(figure, drawn, strengths)


def _read_probes(path: Path) -> tuple[LinearProbe, LinearProbe]:
    """The probes of the trained encoder: AD vs CN, and age."""
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))["ldae"]
        diagnosis, age = (LinearProbe.from_json(fitted[task.name]) for task in (AD_VS_CN, AGE))
    except (OSError, json.JSONDecodeError, KeyError) as error:
        raise UserError(f"{path}: no probes of ldae ({error}); run evaluate-probes") from None
    return diagnosis, age


def _first(test: pd.DataFrame, diagnosis: str) -> pd.DataFrame:
    found = test[test["diagnosis"] == diagnosis]
    if found.empty:
        raise UserError(f"no test scan is {diagnosis}; enlarge the cohort or split: test")
    return found.iloc[:1]


def _draw(path: Path, drawn: list[tuple[ScanBatch, list[Volume]]], strengths: list[float]) -> None:
    """One block per scan: sampled volumes, then what the strength adds to the unmoved one."""
    rows = []
    for batch, (unmoved, *volumes) in drawn:
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
        columns=["scan", *[f"{strength:+g}" for strength in strengths]],
        rows=rows,
        centre=centre_of(first.brain[0, 0].cpu().numpy()),
    )
