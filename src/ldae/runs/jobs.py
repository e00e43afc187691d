"""What became of a run's jobs, from their benchmark files and logs."""

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
            "seconds": [_seconds(path) for path in paths],
        }
    )


def unfinished_jobs(run: Path, left: list[str], *, since: datetime, alive: bool) -> list[Job]:
    """The jobs `left`: what their logs say, if they were begun `since` the run was started."""
    return [_unfinished(run / "logs" / f"{name}.log", name, since, alive=alive) for name in left]


def _unfinished(log: Path, name: str, since: datetime, *, alive: bool) -> Job:
    lines = tail(log)
    if not lines or log.stat().st_mtime < since.timestamp() - 1:
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


def _seconds(path: Path) -> float:
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return float(lines[1].split("\t")[lines[0].split("\t").index("s")])
    except (ValueError, IndexError):
        raise UserError(f"{path}: not a benchmark file of Snakemake; delete it") from None
