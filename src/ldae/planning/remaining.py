"""What a run has left: seconds of its jobs, from what they say, what others took, or the plan."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pandas as pd

from ldae.planning.outline import OUTLINE, stage_of
from ldae.planning.schedule import Work, wall_seconds
from ldae.runs.jobs import Job
from ldae.runs.start import Start


@dataclass(frozen=True)
class StageStanding:
    """A stage of a run: how many jobs are done, and what is known of the others."""

    name: str
    done: int
    took: float  # seconds of the jobs that are done
    unfinished: Sequence[Job]
    left: Sequence[float | None]  # seconds of each of these; None: nobody knows

    @property
    def jobs(self) -> int:
        """As far as they are known: of scans, only once the download has been looked at."""
        return self.done + len(self.unfinished)


def stages_of(start: Start) -> list[str]:
    """The stages that the configuration asks for."""
    asked = start.configuration.baselines
    without = [name for name in ("ldae-volume", "dae") if name not in asked]
    if "supervised" not in asked:
        without += ["supervised-diagnosis", "supervised-age"]
    return [name for name in OUTLINE if name not in without]


def standings(
    times: pd.DataFrame, unfinished: Sequence[Job], planned: Mapping[str, float]
) -> list[StageStanding]:
    """Every stage with jobs, in the order of the plan.

    Args:
        times: a row per job that was ever finished, `name`, `group` and `seconds`.
        unfinished: the jobs that are not, or have to be done again.
        planned: seconds of a job by stage, where none of its group has been measured.
    """
    of_group, of_stage = defaultdict(list), defaultdict(list)
    again = {job.name for job in unfinished}
    for name, group, seconds in zip(times["name"], times["group"], times["seconds"], strict=True):
        of_group[group].append(seconds)
        if name not in again:
            of_stage[stage_of(group)].append(seconds)
    expected = {group: mean(seconds) for group, seconds in of_group.items()}
    jobs: dict[str, list[Job]] = defaultdict(list)
    for job in unfinished:
        jobs[stage_of(job.group)].append(job)
    found = {*of_stage, *jobs}
    return [
        StageStanding(
            name=name,
            done=len(of_stage[name]),
            took=sum(of_stage[name]),
            unfinished=jobs[name],
            left=[_left(job, expected.get(job.group, planned.get(name))) for job in jobs[name]],
        )
        for name in [*OUTLINE, *sorted(found - {*OUTLINE})]
        if name in found
    ]


def time_left(found: Sequence[StageStanding], start: Start) -> float:
    """Seconds until all is done, if jobs go on being begun as soon as there is room."""
    work = []
    for stage in found:
        if stage.name not in OUTLINE:
            continue
        asked = OUTLINE[stage.name].resources(start.configuration)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for job, left in zip(stage.unfinished, stage.left, strict=True):
            seconds[job.state == "running"].append(left or 0.0)
        work.append(
            Work(
                name=stage.name,
                after=OUTLINE[stage.name].after,
                gpus=asked.gpu,
                cores=asked.threads,
                jobs=tuple(seconds[False]),
                running=tuple(seconds[True]),
            )
        )
    gpus, cores = start.room
    return wall_seconds(work, gpus=gpus, cores=cores)


def best_loss(run: Path, training: str) -> float | None:
    """The smallest validation loss so far of a training."""
    path = run / "state" / training / "train.jsonl"
    if not path.is_file():
        return None
    losses = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            losses.append(json.loads(line).get("validation_loss"))
        except json.JSONDecodeError:  # is being written
            continue
    return min((each for each in losses if each is not None), default=None)


def _left(job: Job, expected: float | None) -> float | None:
    if job.standing is not None:
        return max(0.0, job.standing.left - (job.silent if job.state == "running" else 0.0))
    if expected is None:
        return None
    return max(0.0, expected - (job.seconds or 0.0) if job.state == "running" else expected)
