"""What became of a run's jobs, from their benchmark files and logs."""

import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from ldae.errors import UserError
from ldae.progress import Standing, last_standing, tail

State = Literal["done", "running", "stopped", "failed", "waiting"]
# How logs of failed jobs end: in a line for the user, or as Python ends.
FAILURE = re.compile(r"ldae [a-z-]+: |[A-Za-z_.]*(Error|Exception|Interrupt)\b")
STAMP = re.compile(r"(\d\d):(\d\d):(\d\d) ")


@dataclass(frozen=True)
class Job:
    """A job, named like its log; times in seconds.

    Attributes:
        name: of the log below `logs/`, without ending: `train_ldm`, `convert/0000`.
        state: `stopped` was begun, and nothing works on it any more.
        seconds: it took, or has taken so far; None where nobody knows.
        standing: where it stood when it last said so.
        silent: since its log was last written to.
        last_word: the last line of the log of a failed job.
    """

    name: str
    state: State
    seconds: float | None = None
    standing: Standing | None = None
    silent: float = 0.0
    last_word: str = ""

    @property
    def group(self) -> str:
        """What it is one of: `convert`."""
        return self.name.partition("/")[0]


def job_times(run: Path) -> pd.DataFrame:
    """A row per job that has ended well, `name`, `group` and `seconds`: Snakemake's benchmarks.

    Of a training that was interrupted these have the last attempt alone; its journal has them all.

    Raises:
        UserError: a file is not one of these.
    """
    folder = run / "benchmarks"
    paths = sorted(folder.rglob("*.tsv"))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return pd.DataFrame(
        {
            "name": names,
            "group": [name.partition("/")[0] for name in names],
            "seconds": [
                max(_seconds(path), _trained_seconds(run, name))
                for path, name in zip(paths, names, strict=True)
            ],
        }
    )


def unfinished_jobs(run: Path, left: list[str], *, since: datetime, alive: bool) -> list[Job]:
    """The jobs `left`: what their logs say, if they were begun `since` the run was started.

    One that had ended well waits to be done again.
    """
    found = []
    for name in left:
        log, ended = run / "logs" / f"{name}.log", run / "benchmarks" / f"{name}.tsv"
        last = max(since.timestamp() - 1, ended.stat().st_mtime if ended.is_file() else 0)
        found.append(_unfinished(log, name, last, alive=alive))
    return found


def _unfinished(log: Path, name: str, since: float, *, alive: bool) -> Job:
    lines = tail(log)
    if not lines or log.stat().st_mtime < since:
        return Job(name, "waiting")
    if FAILURE.match(lines[-1]):
        return Job(name, "failed", last_word=lines[-1])
    said = log.stat().st_mtime
    return Job(
        name,
        "running" if alive else "stopped",
        seconds=(time.time() if alive else said) - _begun(log, said),
        standing=last_standing(log),
        silent=max(0.0, time.time() - said),
    )


def _begun(log: Path, said: float) -> float:
    """When the job began: the time of day of its log's first line, before it was last written."""
    with log.open(encoding="utf-8", errors="replace") as file:
        found = STAMP.match(file.readline())
    if found is None:
        return said
    hour, minute, second = map(int, found.groups())
    last = datetime.fromtimestamp(said).astimezone()
    begun = last.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (begun if begun <= last else begun - timedelta(days=1)).timestamp()


def _trained_seconds(run: Path, name: str) -> float:
    """What a training has taken, over all attempts; 0 for other jobs."""
    journal = run / "models" / name.removeprefix("train_") / "train.jsonl"
    lines = tail(journal) if name.startswith("train_") else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0


def _seconds(path: Path) -> float:
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return float(lines[1].split("\t")[lines[0].split("\t").index("s")])
    except (ValueError, IndexError):
        raise UserError(f"{path}: not a benchmark file of Snakemake; delete it") from None
