"""Lines of the downstream tables: metrics with intervals, counts, and why a cell is empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ldae.config import Bootstrap
from ldae.metrics.statistics import Array, Statistic, difference_of, subject_weights, summarise
from ldae.metrics.tasks import Task

METRICS = [
    *("accuracy", "precision", "recall", "f1", "roc_auc", "mcc", "balanced_accuracy"),
    *("mae", "rmse", "r2"),
]
CALIBRATION = ["brier", "ece", "calibration_slope", "calibration_intercept"]
BOUNDS = ("", "_low", "_high")

Line = dict[str, object]


@dataclass(frozen=True)
class Scorer:
    """Scores answers `(N,)` or `(N, K)` to the test scans `rows`, over whose subjects it draws."""

    bootstrap: Bootstrap
    seed: int

    def scored(self, task: Task[Any], rows: pd.DataFrame, answer: Array) -> Line:
        """Every metric of the task with its interval, and `n_test`, `n_subjects`."""
        if rows.empty:
            return {"n_test": 0, "n_subjects": 0} | unscored("no test scan is eligible")
        statistics = task.statistics(task.target(rows), answer)
        return self._summarised(statistics, rows, [*METRICS, *CALIBRATION])

    def compared(self, task: Task[Any], rows: pd.DataFrame, one: Array, other: Array) -> Line:
        """Every metric of `one` less that of `other`, both having answered the same scans."""
        if rows.empty:
            return {"n_test": 0, "n_subjects": 0} | unscored("no test scan is eligible")
        first, second = (task.statistics(task.target(rows), answer) for answer in (one, other))
        differences = {
            name: difference_of(first[name], second[name]) for name in METRICS if name in first
        }
        return self._summarised(differences, rows, METRICS)

    def _summarised(
        self, statistics: Mapping[str, Statistic], rows: pd.DataFrame, wanted: Sequence[str]
    ) -> Line:
        subjects = rows["participant_id"].tolist()
        weights = subject_weights(subjects, replicates=self.bootstrap.replicates, seed=self.seed)
        found = summarise(statistics, weights, self.bootstrap.confidence)
        why = {}
        for name in wanted:
            if name not in statistics:
                why[name] = "not a metric of this task"
            elif np.isinf(found[name]):
                why[name] = "the scores separate the classes without an error"
                found |= {f"{name}{end}": np.nan for end in BOUNDS}
            elif np.isnan(found[name]):
                why[name] = "undefined on these scans"
        said = "; ".join(f"{name}: {reason}" for name, reason in why.items())
        counts = {"n_test": len(rows), "n_subjects": len(set(subjects))}
        return found | counts | {"not_computed": said}


def unscored(reason: str) -> dict[str, object]:
    """Says of every metric that there is none, for one `reason`."""
    plain = reason.replace("; ", ", ")
    return {"not_computed": "; ".join(f"{name}: {plain}" for name in [*METRICS, *CALIBRATION])}
