"""How long each stage took and how much memory it held, from Snakemake's benchmark files."""

from pathlib import Path

import pandas as pd

from ldae.errors import UserError

COLUMNS = ["stage", "jobs", "seconds", "cpu_seconds", "longest_job_seconds", "peak_memory_mb"]


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """One row per rule, the longest first; columns `COLUMNS`.

    `folder` holds `<rule>.tsv` and, for rules of many jobs, `<rule>/<job>.tsv`. Memory is the
    largest resident set of any one job, in MB; a job too short to be sampled leaves it empty.
    """
    jobs = [
        _jobs(path).assign(stage=path.parent.name if path.parent != folder else path.stem)
        for path in sorted([*folder.glob("*.tsv"), *folder.glob("*/*.tsv")])
    ]
    if not jobs:
        return pd.DataFrame(columns=COLUMNS)
    stages = pd.concat(jobs).groupby("stage")
    table = pd.DataFrame(
        {
            "jobs": stages["s"].size(),
            "seconds": stages["s"].sum(),
            "cpu_seconds": stages["cpu_time"].sum(min_count=1),
            "longest_job_seconds": stages["s"].max(),
            "peak_memory_mb": stages["max_rss"].max(),
        }
    )
    table = table.reset_index().sort_values(["seconds", "stage"], ascending=[False, True])
    return table[COLUMNS].reset_index(drop=True)


def clock(seconds: float) -> str:
    """`42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if whole < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _jobs(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
    if "s" not in frame:
        raise UserError(f"{path}: not a benchmark file of Snakemake; delete it")
    columns = ["s", "max_rss", "cpu_time"]
    return pd.DataFrame(
        {name: pd.to_numeric(frame.get(name, float("nan"))) for name in columns}, index=frame.index
    )
