"""Fit linear probes on semantic codes and score them on test subjects.

Probes are fitted on training scans only, validation scans being left for choosing settings, and
scored on test scans, every visit of a subject in both. AD vs CN leaves out MCI; AD is the positive
class. The row `demographics` is a probe of age and sex (for age: of sex) without the scan.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ldae.config import Bootstrap, Probe, Section
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.metrics.statistics import Array, subject_weights, summarise
from ldae.metrics.tasks import TASKS, Task, demographics
from ldae.runtime import write_json
from ldae.tables import KEYS, PREDICTED, SCANS, read_table, write_csv, write_table

METRICS = [
    *("accuracy", "precision", "recall", "f1", "roc_auc", "mcc", "balanced_accuracy"),
    *("mae", "rmse", "r2"),
]
COLUMNS = [
    *("encoder", "task"),
    *[f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")],
    *("n_train", "n_test", "n_subjects"),
]


class Settings(Section):
    """How probes are regularised, and how their intervals are drawn."""

    seed: int
    probe: Probe
    bootstrap: Bootstrap


def evaluate_probes(
    *,
    scans: Path,
    embeddings: list[Path],
    table: Path,
    predictions: Path,
    probes: Path,
    settings: Settings,
) -> None:
    """Write `tables/downstream.csv`, the test predictions, and the fitted probes.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        embeddings: one `embeddings/{encoder}.parquet` per encoder; the file's name is the row's.
        table: metrics with intervals, one row per encoder and task; empty metrics where no test
            scan is eligible.
        predictions: one row per encoder, task and test scan.
        probes: JSON, `{encoder: {task: probe}}`.
        settings: see `Settings`.
    """
    rows = read_table(scans, SCANS)
    train, test = take_split(rows, "train"), take_split(rows, "test")
    results: list[Mapping[str, object]] = []
    predicted: list[pd.DataFrame] = []
    fitted: dict[str, dict[str, object]] = {}
    for encoder, path in [*((path.stem, path) for path in embeddings), ("demographics", None)]:
        fitted[encoder] = {}
        for task in TASKS:
            seen, unseen = train[task.eligible(train)], test[task.eligible(test)]
            known, held_out = (
                read_embeddings(path, part)
                if path
                else demographics(part, task, mean_age=float(train["age"].mean()))
                for part in (seen, unseen)
            )
            subjects = seen["participant_id"].to_numpy()
            probe = task.fit(known, task.target(seen), subjects, settings.probe)
            scores = task.predict(probe, held_out)
            keys = {"encoder": encoder, "task": task.name}
            results.append(keys | _metrics(task, unseen, scores, settings) | {"n_train": len(seen)})
            answers = {"truth": task.target(unseen).astype(float), "prediction": scores}
            predicted.append(unseen[KEYS].assign(**keys, **answers))
            fitted[encoder][task.name] = probe.as_json()
            logging.info("%s, %s: fitted on %d scans", encoder, task.name, len(seen))
    write_csv(pd.DataFrame(results).reindex(columns=COLUMNS), table)
    write_table(pd.concat(predicted), predictions, PREDICTED)
    write_json(probes, fitted)


def _metrics(
    task: Task, unseen: pd.DataFrame, scores: Array, settings: Settings
) -> dict[str, float]:
    """The task's metrics on test scans, with intervals over subjects and their counts."""
    subjects = unseen["participant_id"].tolist()
    counts: dict[str, float] = {"n_test": len(unseen), "n_subjects": len(set(subjects))}
    if not subjects:
        return counts
    weights = subject_weights(
        subjects, replicates=settings.bootstrap.replicates, seed=settings.seed
    )
    statistics = task.statistics(task.target(unseen), scores)
    return summarise(statistics, weights, settings.bootstrap.confidence) | counts
