"""The plan beside what really happened, stage by stage."""

from pathlib import Path

import pandas as pd

from ldae.planning.forecast import Machine, forecast
from ldae.planning.passes import count_passes
from ldae.planning.size import CohortSize
from ldae.planning.stages import plan_stages
from ldae.planning.trainings import plan_trainings
from ldae.progress import duration
from ldae.runs.jobs import job_times
from ldae.runs.start import Start

COLUMNS = ["stage", "work", "jobs", "planned", "took", "times_as_long"]


def plan_and_facts(run: Path, start: Start, size: CohortSize) -> pd.DataFrame:
    """One row per stage whose jobs have been timed: what was to be expected of it, and what came.

    The plan is the one that knows nothing of this run but its configuration and its cohort. Times
    are sums over a stage's jobs, which run side by side.
    """
    settings = start.configuration
    machine = Machine(gpus=start.room[0], cores=start.room[1])
    trainings = plan_trainings(settings, size.train)
    stages = plan_stages(settings, size, trainings, count_passes(settings))
    took = job_times(run).groupby("group")["seconds"].sum()
    rows = []
    for each in forecast(stages, machine):
        timed = took.reindex(each.stage.outline.groups).dropna()
        if each.stage.name == "report" or timed.empty:  # of the report a part is still to come
            continue
        rows.append(
            {
                "stage": each.stage.name,
                "work": each.stage.work,
                "jobs": each.stage.jobs,
                "planned": duration(each.seconds),
                "took": duration(timed.sum()),
                "times_as_long": timed.sum() / each.seconds,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
