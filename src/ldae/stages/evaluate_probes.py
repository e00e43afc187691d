"""Fit linear probes on semantic codes and score them on test subjects.

Probes are fitted on training scans only, validation scans being left for choosing settings, and
scored on test scans, every visit of a subject in both. AD vs CN leaves out MCI; AD is the positive
class, except in the rows `…_as_paper`, which follow the paper's code. The row `demographics` is a
probe of age and sex (for age: of sex) without the scan; `supervised` are the networks trained for
the very question, without a probe.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import parallel_config
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ldae.config import Bootstrap, Downstream, Probe, Section
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.predictions import read_predictions
from ldae.errors import UserError
from ldae.metrics.groups import age_tertiles, groups_of
from ldae.metrics.probe import Lesson, TooFewSubjects
from ldae.metrics.scoring import BOUNDS, CALIBRATION, METRICS, Line, Scorer, unscored
from ldae.metrics.statistics import Array
from ldae.metrics.tasks import CLASSES, TASKS, Task, demographics, trained_for
from ldae.runtime import write_json
from ldae.tables import KEYS, PREDICTED, SCANS, read_table, write_csv, write_table

SCORES = [f"{metric}{end}" for metric in METRICS for end in BOUNDS]
COLUMNS = [
    *("encoder", "task", *SCORES, "n_train", "n_test", "n_subjects"),
    *[f"{metric}{end}" for metric in CALIBRATION for end in BOUNDS],
    *("regularisation", "not_computed"),
]
GROUP_COLUMNS = ["encoder", "task", "visits", "group", "level", *COLUMNS[2:]]
COMPARED_COLUMNS = [
    *("task", "encoder", "reference", *SCORES, "n_test", "n_subjects", "not_computed"),
]

Codes = Callable[[pd.DataFrame, Task[Any]], NDArray[Any]]


class Settings(Section):
    """How probes are regularised, how often folds are redrawn, and how intervals are drawn."""

    seed: int
    probe: Probe
    downstream: Downstream
    bootstrap: Bootstrap


@dataclass(frozen=True)
class Answer:
    """What one encoder says of a task's test scans, and what that rests on."""

    encoder: str
    scores: Array
    probe: Mapping[str, object] | None = None  # none: trained for the question
    by_seed: tuple["Answer", ...] = ()

    def chosen(self) -> Line:
        """The regularisation of its probe."""
        return {} if self.probe is None else {"regularisation": self.probe["regularisation"]}


def evaluate_probes(
    *,
    scans: Path,
    embeddings: list[Path],
    supervised: list[Path],
    table: Path,
    by_group: Path,
    compared: Path,
    predictions: Path,
    probes: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write the tables `downstream*.csv`, the test predictions, and the fitted probes.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        embeddings: one `embeddings/{encoder}.parquet` per encoder; the file's name is the row's.
        supervised: `predictions/supervised-diagnosis.parquet` and `…-age.parquet`, or none.
        table: metrics with intervals, one row per encoder and task; why a metric is empty says
            `not_computed`.
        by_group: the same of baseline visits, of sexes, thirds of age and field strengths, and with
            folds (in the paper's way: held-out scans, start and order) drawn by other seeds.
        compared: by task and pair of encoders, each metric of the first less that of the second.
        predictions: one row per encoder, task and test scan.
        probes: JSON, `{encoder: {task: probe}}`.
        threads: how many fits of a cross-validation go on side by side.
        settings: see `Settings`.
    """
    rows = read_table(scans, SCANS)
    train, test = take_split(rows, "train"), take_split(rows, "test")
    tertiles, mean_age = age_tertiles(train), float(train["age"].mean())
    encoders: dict[str, Codes] = {path.stem: _stored(path) for path in embeddings}
    encoders["demographics"] = lambda part, task: demographics(part, task, mean_age=mean_age)
    scorer = Scorer(settings.bootstrap, settings.seed)
    lines: list[Line] = []
    parts: list[Line] = []
    pairs: list[Line] = []
    predicted: list[pd.DataFrame] = []
    fitted: dict[str, dict[str, object]] = {encoder: {} for encoder in encoders}
    for task in TASKS:
        seen, unseen = train[task.eligible(train)], test[task.eligible(test)]
        keys = {"task": task.name, "n_train": len(seen)}
        try:
            with (
                threadpool_limits(1),
                parallel_config("loky", n_jobs=threads, inner_max_num_threads=1),
            ):
                answers = [
                    _answer(encoder, task, codes(seen, task), codes(unseen, task), seen, settings)
                    for encoder, codes in encoders.items()
                ]
        except TooFewSubjects as error:
            logging.warning("%s has no probes: %s", task.name, error)
            counts = {"n_test": len(unseen), "n_subjects": unseen["participant_id"].nunique()}
            missing = keys | counts | unscored(str(error))
            lines += [{"encoder": name} | missing for name in encoders]
            answers = []
        answers += _of_supervised(task, supervised, unseen)
        groups = [] if task.as_paper else list(groups_of(unseen, tertiles))
        for answer in answers:
            mine = keys | {"encoder": answer.encoder}
            lines.append(mine | answer.chosen() | scorer.scored(task, unseen, answer.scores))
            for scans_of, named in groups:
                scored = scorer.scored(task, unseen[scans_of], answer.scores[scans_of])
                parts.append(mine | named | answer.chosen() | scored)
            for number, again in enumerate(answer.by_seed, start=1):
                named = {"visits": "all", "group": "seed", "level": str(number)}
                scored = scorer.scored(task, unseen, again.scores)
                parts.append(mine | named | again.chosen() | scored)
            if answer.probe is not None:
                fitted[answer.encoder][task.name] = answer.probe
            predicted.append(_told(task, answer, unseen))
        if not task.as_paper:
            for one, other in combinations(answers, 2):
                named = {"task": task.name, "encoder": one.encoder, "reference": other.encoder}
                pairs.append(named | scorer.compared(task, unseen, one.scores, other.scores))
        logging.info("%s: %d scans to learn from, %d to test", task.name, len(seen), len(unseen))
    if not predicted:
        raise UserError(f"{scans}: too few training subjects for any probe; bring more scans")
    write_csv(pd.DataFrame(lines).reindex(columns=COLUMNS), table)
    write_csv(pd.DataFrame(parts).reindex(columns=GROUP_COLUMNS), by_group)
    write_csv(pd.DataFrame(pairs).reindex(columns=COMPARED_COLUMNS), compared)
    write_table(pd.concat(predicted), predictions, PREDICTED)
    write_json(probes, fitted)


def _stored(path: Path) -> Codes:
    return lambda part, task: read_embeddings(path, part)


def _answer(
    encoder: str,
    task: Task[Any],
    known: NDArray[Any],
    held_out: NDArray[Any],
    seen: pd.DataFrame,
    settings: Settings,
) -> Answer:
    """What a probe of `known` codes says of `held_out` ones, and probes with folds drawn anew."""
    lesson = Lesson[Any](
        known,
        task.target(seen),
        subjects=seen["participant_id"].to_numpy(),
        settings=settings.probe,
    )
    drawn = np.random.SeedSequence(settings.seed).generate_state(settings.downstream.seeds)
    probes: list[Any] = []
    for seed in (None, *map(int, drawn)):
        probes.append(task.fit(replace(lesson, seed=seed, fitted=probes)))
    first, *others = (
        Answer(encoder, task.predict(probe, held_out), probe.as_json()) for probe in probes
    )
    return replace(first, by_seed=tuple(others))


def _of_supervised(task: Task[Any], tables: list[Path], unseen: pd.DataFrame) -> list[Answer]:
    """The answers of the network that was trained for this very task, if there is one."""
    asked = task.name.removesuffix("_as_paper")
    return [
        Answer("supervised", read_predictions(path, unseen))
        for path in tables
        if trained_for(path.stem).name == asked
    ]


def _told(task: Task[Any], answer: Answer, unseen: pd.DataFrame) -> pd.DataFrame:
    """The answers as rows of the table of predictions."""
    table = unseen[KEYS].assign(encoder=answer.encoder, task=task.name)
    table["truth"] = task.target(unseen).astype(float)
    if answer.scores.ndim == 1:
        table["prediction"] = answer.scores
    else:
        table["prediction"] = answer.scores.argmax(axis=1).astype(float)
        table[[f"probability_{each.lower()}" for each in CLASSES]] = answer.scores
    return table.reindex(columns=PREDICTED.names)
