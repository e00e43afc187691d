"""Move test scans' semantic codes along directions, and audit what the images show of it."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae.config import Bootstrap, Manipulation, Metrics, Sampling, Section
from ldae.data.batches import ScanBatch, load_batch
from ldae.data.choices import first_visits, take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.inversions import read_inversions
from ldae.data.regions import regions_like
from ldae.metrics.audits import COLUMNS, CONTROLS, PERMUTED, RANDOM, audit
from ldae.metrics.directions import NEEDED, EditProbes, fit_probes, move, random_direction
from ldae.metrics.probe import TooFewSubjects
from ldae.metrics.regions import Regions, change, change_focus, region_volumes
from ldae.metrics.statistics import Array
from ldae.metrics.summary import means_by
from ldae.metrics.tasks import AD_VS_CN, AGE, NEGATIVE, POSITIVE
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.models.stored import inverted_by
from ldae.progress import Tally
from ldae.report.figures import Row, Volume, centre_of, draw_note, draw_rows
from ldae.runtime import pick_device, use_threads
from ldae.tables import KEYS, MANIPULATED, SCANS, read_table, write_csv, write_table

MEASURES = [
    *("probability", "age", "ventricle_ml", "hippocampus_ml"),
    *("changed_share", "change_focus", "ssim_outside", "mse_outside"),
    *("probability_of_code", "age_of_code"),
]
DRAWN = (AD_VS_CN.name, *CONTROLS)


class Settings(Section):
    """How far codes of how many subjects are moved, and how the result is measured."""

    seed: int
    sampling: Sampling
    manipulation: Manipulation
    metrics: Metrics
    bootstrap: Bootstrap


@dataclass(frozen=True)
class Editor:
    """Moves codes along named directions, and measures the images that come of it."""

    model: LatentDiffusionAutoencoder
    probes: EditProbes
    regions: Regions
    settings: Settings

    def directions(self, rows: pd.DataFrame) -> dict[str, Array]:
        """Unit vectors, `(E,)` or one per scan `(N, E)`: subjects differ in their controls."""
        besides, seed = self.probes.directions(), self.settings.seed
        dim = len(besides[AGE.name])
        own = [
            random_direction(dim, besides=[*besides.values()], seeds=[seed, *name.encode()])
            for name in rows["participant_id"]
        ]
        turns = [self.probes.permuted[place % len(self.probes.permuted)] for place in rows.index]
        return besides | {RANDOM: np.stack(own), PERMUTED: np.stack(turns)}

    def sample(self, z_T: Tensor, codes: Array) -> Tensor:
        """Volumes (B, 1, X, Y, Z) of z_T (B, ...) and codes (B, E)."""
        y = torch.from_numpy(codes).to(z_T)
        z_0 = self.model.sample(z_T, y, steps=self.settings.manipulation.steps)
        return self.model.to_volume(z_0).clamp(0, 1)

    def measure(
        self, volumes: Tensor, unmoved: Tensor, codes: Array, batch: ScanBatch
    ) -> dict[str, Array]:
        """Columns of `MANIPULATED`, each (B,)."""
        again = self.model.encode(volumes).double().cpu().numpy()
        window = self.settings.metrics.ssim_window
        changes = change(volumes, unmoved, batch.brain, window=window)
        measured = {
            "probability": self.probes.diagnosis.probability(again),
            "age": self.probes.age.score(again),
            "probability_of_code": self.probes.diagnosis.probability(codes),
            "age_of_code": self.probes.age.score(codes),
        } | {name: values.double().cpu().numpy() for name, values in changes.items()}
        places = []
        arrays = (each[:, 0].cpu().numpy() for each in (volumes, unmoved, batch.brain))
        for volume, before, brain in zip(*arrays, strict=True):
            focus = change_focus(volume, before, brain, self.regions)
            places.append(region_volumes(volume, brain, self.regions) | {"change_focus": focus})
        return measured | {name: np.array([each[name] for each in places]) for name in places[0]}


def evaluate_manipulation(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    inversions: Path,
    per_scan: Path,
    table: Path,
    audits: Path,
    figure: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Move the first scan of test subjects along four directions, both ways.

    Towards AD and towards old age along the probes' weights, and along two controls at right angles
    to both: `random` in all dimensions alike, a new one for each subject, and `permuted`, from the
    mean code of CN to that of AD when training subjects have swapped diagnoses, which lies where
    codes vary. All are of equal length in standardised units, strength · sqrt(dim). z_T is the
    scan's own. Without the subjects that probes need, tables are empty and the figure says so.

    Measured are the probability of AD and the age (years) that the same probes read from the image
    encoded again, fluid around the ventricles and tissue at the hippocampi (ml), how much of the
    brain has changed against strength 0, whether change gathers in those regions, and how the rest
    compares.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and masks lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: codes, those of training scans for the probes (`embeddings/ldae.parquet`).
        inversions: the index of z_T (`inversions/ldae/T{manipulation.steps}/index.parquet`).
        per_scan: `tables/manipulation.parquet`, one row per scan, direction and strength.
        table: `tables/manipulation.csv`, means per direction and strength.
        audits: `tables/manipulation_audits.csv`, one row per direction and measure.
        figure: a CN and an AD scan at every strength, what changes, and what controls change.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    device, clip = pick_device(devices), settings.sampling.clip
    rows, chosen = read_table(scans, SCANS), settings.manipulation
    train, test = take_split(rows, "train"), take_split(rows, "test")
    try:
        known = read_embeddings(embeddings, train)
        probes = fit_probes(train, known, chosen.probe, seed=settings.seed)
    except TooFewSubjects as error:
        logging.warning("%s (%s)", NEEDED, error)
        columns = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
        write_table(pd.DataFrame(columns=MANIPULATED.names), per_scan, MANIPULATED)
        write_csv(pd.DataFrame(columns=["direction", "strength", *columns, "n_subjects"]), table)
        write_csv(pd.DataFrame(columns=COLUMNS), audits)
        draw_note(figure, title="Manipulation", note=f"Nothing to draw: {NEEDED}.")
        return
    editor = Editor(
        model=load_ldae(models, clip=clip, device=device),
        probes=probes,
        regions=Regions(*regions_like(derivatives / test["volume"].iloc[0])),
        settings=settings,
    )
    made_by = inverted_by(models, "ldae", clip=clip)
    subjects = first_visits(test, chosen.max_subjects)
    shown = _examples(subjects)
    lines: list[pd.DataFrame] = []
    drawn: dict[tuple[int, str, float], Volume] = {}
    tally = Tally("manipulation", len(subjects), unit="subjects")
    for start in range(0, len(subjects), batch_size):
        some = subjects.iloc[start : start + batch_size]
        batch = load_batch(some, derivatives, device)
        codes = read_embeddings(embeddings, some).astype(np.float64)
        z_T = read_inversions(inversions, some, made_by=made_by).to(device)
        with torch.inference_mode():
            unmoved = editor.sample(z_T, codes)
            for name, directions in editor.directions(some).items():
                for strength in sorted({0.0, *chosen.strengths}):
                    moved = move(codes, directions, strength, probes.diagnosis)
                    volumes = editor.sample(z_T, moved) if strength else unmoved
                    measured = editor.measure(volumes, unmoved, moved, batch)
                    line = some[[*KEYS, "diagnosis"]].assign(direction=name, strength=strength)
                    lines.append(line.assign(**measured))
                    for row in set(shown) & set(some.index) if name in DRAWN else ():
                        drawn[row, name, strength] = volumes[row - start, 0].cpu().numpy()
        tally.add(len(some))
    edited = pd.concat(lines, ignore_index=True)
    write_table(edited, per_scan, MANIPULATED)
    keys, bootstrap, seed = ["direction", "strength"], settings.bootstrap, settings.seed
    write_csv(means_by(edited, keys, MEASURES, bootstrap=bootstrap, seed=seed), table)
    write_csv(audit(edited, bootstrap=bootstrap, seed=seed), audits)
    _draw(figure, load_batch(subjects.loc[shown], derivatives, device), drawn)


def _examples(subjects: pd.DataFrame) -> list[int]:
    """The first CN and the first AD subject, as far as there are any, else the first."""
    found = [subjects.index[subjects["diagnosis"] == each][:1] for each in (NEGATIVE, POSITIVE)]
    return [int(index[0]) for index in found if len(index)] or [0]


def _draw(path: Path, scans: ScanBatch, drawn: dict[tuple[int, str, float], Volume]) -> None:
    """Per scan its volumes at every strength, then what changes along that and the controls."""
    strengths = sorted({strength for _, _, strength in drawn})
    rows = []
    for row, x in zip(scans.rows.index, scans.x[:, 0].cpu().numpy(), strict=True):
        moved, *_ = along = [[drawn[row, name, each] for each in strengths] for name in DRAWN]
        unmoved = drawn[row, DRAWN[0], 0.0]
        changed, *beside = ([each - unmoved for each in volumes] for volumes in along)
        differences = [each for volumes in (changed, *beside) for each in volumes]
        limit = max(float(np.abs(each).max()) for each in differences) or 1.0
        difference = partial(Row, kind="difference", limit=limit)
        diagnosis = scans.rows["diagnosis"].fillna("unknown").loc[row]
        for plane in ("axial", "coronal"):
            rows += [
                Row(f"{diagnosis}\n{plane}", [x, *moved], plane=plane),
                difference("change", [None, *changed], plane=plane),
                *[
                    difference(f"change,\n{name}", [None, *volumes], plane=plane)
                    for name, volumes in zip(CONTROLS, beside, strict=True)
                ],
            ]
    draw_rows(
        path,
        title="Semantic code moved towards CN (-) and AD (+), z_T kept",
        columns=["scan", *[f"{strength:+g}" if strength else "0" for strength in strengths]],
        rows=rows,
        centre=centre_of(scans.brain[0, 0].cpu().numpy()),
    )
