"""What of a run is done, at work and left, and how long that will take."""

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ldae.planning.outline import stage_of
from ldae.planning.remaining import StageStanding, best_loss, stages_of, standings, time_left
from ldae.progress import duration
from ldae.runs.jobs import Job, job_times, unfinished_jobs
from ldae.runs.left import jobs_left
from ldae.runs.start import Start, is_alive, read_start

if TYPE_CHECKING:
    from ldae.planning.forecast import Forecast

SILENT_SECONDS = 600.0  # without a word, after which that is said
FRESH_SECONDS = 60.0  # since a word of a job that nobody watches, up to which it may be at work
WIDTH = 80


def status(run: Path) -> None:
    """Print a run's stages: jobs done, time taken and left, and where jobs at work stand.

    Snakemake is asked what is left, with the configuration that the run was started with; a run at
    work is not disturbed.

    Args:
        run: folder of a run: `results/demo`.
    """
    start, times = read_start(run), job_times(run)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(jobs_left, start)  # takes seconds, in which the plan is made
        planned = _planned(start, times)
        left = asked.result()
    alive, done = is_alive(run), times[~times["name"].isin(left)]
    unfinished = unfinished_jobs(run, left, since=start.started, alive=alive is not False)
    if not (run / "cohort/planned.parquet").is_file():
        unfinished += _of_buckets([*done["name"], *left], planned)
    seconds = {name: each.job_seconds for name, each in planned.items()}
    found = standings(times, unfinished, seconds)
    about = [line for stage in found for job in stage.unfinished for line in _about(run, job)]
    lines = [
        _heading(start, alive),
        *_asked_for(start),
        "",
        *_table(found),
        *[textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in about],
        "",
        textwrap.fill(_summary(found, start), WIDTH),
    ]
    if alive is False and unfinished:
        lines.append("Call `snakemake` again as before: it goes on where this run stopped.")
    sys.stdout.write("\n".join(lines) + "\n")


def _of_buckets(known: Sequence[str], planned: Mapping[str, "Forecast"]) -> list[Job]:
    """Jobs that Snakemake does not know of before the download has been looked at, as planned."""
    have = Counter(stage_of(name.partition("/")[0]) for name in known)
    return [
        Job(f"{group}/{number}", "waiting")
        for stage, group in (("ingest", "convert"), ("preprocess", "preprocess"))
        if stage in planned
        for number in range(planned[stage].stage.jobs - have[stage])
    ]


def _planned(start: Start, times: pd.DataFrame) -> dict[str, "Forecast"]:
    """What is planned for every stage; nothing where every one has been measured."""
    if {stage_of(group) for group in times["group"]}.issuperset(stages_of(start)):
        return {}
    # The networks are looked at, and to import them takes seconds.
    from ldae.planning.forecast import forecast  # noqa: PLC0415
    from ldae.planning.known import experience_of  # noqa: PLC0415

    known = experience_of(start)
    forecasts = forecast(known.stages, known.machine, known)
    return {each.stage.name: each for each in forecasts}


def _heading(start: Start, alive: bool | None) -> str:
    begun = start.started.astimezone()
    ago = duration((datetime.now().astimezone() - begun).total_seconds())
    state = {
        True: "at work",
        False: "nobody works on it",
        None: f"whether it is at work, only {start.host} knows",
    }[alive]
    return f"Run {start.configuration.run}, started {begun:%Y-%m-%d %H:%M}, {ago} ago: {state}."


def _asked_for(start: Start) -> list[str]:
    """Whatever else the run has to do is not counted."""
    if {*start.targets} <= {"all", "default"}:
        return []
    return textwrap.wrap(f"It was asked for {', '.join(start.targets)} alone.", WIDTH)


def _table(found: Sequence[StageStanding]) -> Iterator[str]:
    yield f"{'stage':<22}{'jobs':>12}{'took':>15}{'left':>15}  state"
    for stage in found:
        known = [each for each in stage.left if each is not None]
        left = duration(sum(known)) if known else "?" if stage.unfinished else "-"
        yield (
            f"{stage.name:<22}{f'{stage.done} of {stage.jobs}':>12}"
            f"{duration(stage.took) if stage.done else '-':>15}{left:>15}  {_state(stage)}"
        )


def _state(stage: StageStanding) -> str:
    states = {job.state for job in stage.unfinished}
    for state in ("failed", "running", "stopped"):
        if state in states:
            return state
    return "waiting" if states else "done"


def _about(run: Path, job: Job) -> Iterator[str]:
    """Where a job stands that was begun."""
    if job.state == "failed":
        yield f"! {job.name}: {job.last_word}"
    if job.state == "stopped" and job.silent < FRESH_SECONDS:
        ago = duration(job.silent)
        yield f"! {job.name}: wrote to its log {ago} ago; may be at work still (squeue, ps)"
    if job.standing is None or job.state not in ("running", "stopped"):
        return
    at = job.standing
    words = [f"{at.unit} {at.done:,} of {at.total:,}"]
    if at.loss is not None:
        words[0] = f"step {at.done:,} of {at.total:,}"
        words.append(f"loss {at.loss:.3g}")
        best = best_loss(run, job.name.removeprefix("train_"))
        words += [] if best is None else [f"best validation {best:.3g}"]
    if job.state == "running" and job.silent > SILENT_SECONDS:
        words.append(f"silent for {duration(job.silent)}")
    yield f"> {job.name}: {', '.join(words)}"


def _summary(found: Sequence[StageStanding], start: Start) -> str:
    done, jobs = sum(stage.done for stage in found), sum(stage.jobs for stage in found)
    if done == jobs:
        return f"All {jobs} jobs are done."
    cores = "on the cluster" if start.cores is None else f"on {start.cores} cores"
    text = f"{done} of {jobs} jobs are done; about {duration(time_left(found, start))} left {cores}"
    unknown = sum(each is None for stage in found for each in stage.left)
    if unknown:
        text += f", and what {unknown} jobs of unknown length take"
    return f"{text}. (Of a stage: all its jobs together.)"
