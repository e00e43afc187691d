"""What a run has cost: time, processor and memory by stage, and room on disk."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.report.html_table import Cell, HtmlTable, csv_uri
from ldae.report.timing import clock

FOLDERS = (
    "download", "bids", "derivatives", "latents", "models", "state", "embeddings", "inversions",
    "reconstructions", "predictions", "samples", "tables", "figures",
)  # fmt: skip
HEADINGS = (
    ("Stage", False), ("Jobs", True), ("Wall time, all jobs", True),
    ("Share of the longest", False), ("CPU time", True), ("Longest job", True),
    ("Peak memory", True),
)  # fmt: skip
EMPTY = "–"


@dataclass(frozen=True)
class Resources:
    """Sums in words, and a table of stages (None: nothing was timed)."""

    summary: Sequence[tuple[str, str]]
    stages: HtmlTable | None


def resources(timing: pd.DataFrame, *, run: Path | None, machine: str) -> Resources:
    """Of the benchmarks `timing` (`read_benchmarks`) and the folder of a `run`, where known."""
    summary = []
    if len(timing):
        summary += [
            ("Time of all jobs, one after another", clock(timing["seconds"].sum())),
            ("Processor time", clock(timing["cpu_seconds"].sum())),
            ("Most memory of one job", _megabytes(timing["peak_memory_mb"].max())),
        ]
    if machine:
        summary.append(("Machine", machine))
    if run is not None:
        sizes = {name: _size(run / name) for name in FOLDERS}
        largest = sorted((name for name in sizes if sizes[name]), key=lambda name: -sizes[name])
        told = ", ".join(f"{name} {_megabytes(sizes[name] / 1e6)}" for name in largest[:4])
        summary.append(("On disk", f"{_megabytes(sum(sizes.values()) / 1e6)} ({told})"))
    return Resources(summary, _stages(timing) if len(timing) else None)


def _stages(timing: pd.DataFrame) -> HtmlTable:
    longest = max(timing["seconds"].max(), 1e-9)
    rows = tuple(
        (
            Cell(str(row["stage"]).replace("_", " ")),
            Cell(str(row["jobs"]), str(row["jobs"])),
            _time(row["seconds"]),
            Cell(f"{100 * row['seconds'] / longest:.0f} %", repr(float(row["seconds"])),
                 share=round(100 * row["seconds"] / longest)),
            _time(row["cpu_seconds"]),
            _time(row["longest_job_seconds"]),
            Cell(_megabytes(row["peak_memory_mb"]), _sort(row["peak_memory_mb"])),
        )
        for row in timing.to_dict("records")
    )  # fmt: skip
    names, numeric = zip(*HEADINGS, strict=True)
    return HtmlTable("resources", names, numeric, rows, (), csv_uri(timing))


def _time(seconds: float) -> Cell:
    return Cell(EMPTY if pd.isna(seconds) else clock(seconds), _sort(seconds))


def _sort(value: float) -> str:
    return "" if pd.isna(value) else repr(float(value))


def _megabytes(amount: float) -> str:
    if pd.isna(amount):
        return EMPTY
    return f"{amount / 1000:,.1f} GB" if amount >= 1000 else f"{amount:,.0f} MB"


def _size(folder: Path) -> int:
    total = 0
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".provenance"]
        total += sum(os.lstat(os.path.join(where, name)).st_size for name in names)
    return total
