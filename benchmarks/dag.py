"""How long a dry run takes at the size of ADNI, beside Snakemake with three jobs per scan.

Makes a folder as it is when 12,000 scans have been found and none is converted: folders of a
download and buckets of scans. Dry-runs the workflow in it, and a bare one of three steps per scan,
36,000 jobs, in turn; prints wall time, CPU time, peak memory and ratios.

    python benchmarks/dag.py [--scans 12000] [--turns 3] [--folder /tmp]
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ldae.ingestion.buckets import write_buckets
from ldae.tables import CANDIDATES

PROJECT = Path(__file__).resolve().parent.parent
VISITS = 5  # of a participant
SCANS_PER_JOB = 64  # of config/config.yaml
BARE = """
SCANS = range({scans})
STEPS = ("converted", "preprocessed", "encoded")

rule all:
    input: expand(STEPS[-1] + "/{{scan}}", scan=SCANS)

rule convert:
    output: "converted/{{scan}}"
    shell: "touch {{output}}"

rule preprocess:
    input: "converted/{{scan}}"
    output: "preprocessed/{{scan}}"
    shell: "touch {{output}}"

rule encode:
    input: "preprocessed/{{scan}}"
    output: "encoded/{{scan}}"
    shell: "touch {{output}}"
"""


class Turn(NamedTuple):
    """One dry run."""

    jobs: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def write_download(folder: Path, scans: int) -> None:
    """The folders of an unpacked download, without slices: the workflow does not look at them."""
    for scan in range(scans):
        participant, visit = divmod(scan, VISITS)
        ptid = f"{participant % 100:03d}_S_{participant:05d}"
        leaf = folder / ptid / "MPRAGE" / f"{2006 + visit}-03-14_10_20_00.0" / f"I{100_000 + scan}"
        leaf.mkdir(parents=True)


def write_cohort(folder: Path, scans: int) -> None:
    """What `index_download` leaves: the workflow only asks which buckets there are."""
    rows = [
        {
            "participant_id": f"sub-{scan // VISITS:05d}",
            "session_id": f"ses-M{scan % VISITS:03d}",
            "rank": 0,
            "place": f"I{scan}",
            "format": "DICOM",
            "files": [f"I{scan}/1.dcm"],
        }
        for scan in range(scans)
    ]
    unknown = {field.name: None for field in CANDIDATES if field.nullable}
    candidates = pd.DataFrame(rows).assign(**unknown)
    folder.mkdir(parents=True)
    write_buckets(candidates, folder / "buckets", scans_per_job=SCANS_PER_JOB)
    (folder / "planned.parquet").touch()


def dry_run(folder: Path, *words: str) -> Turn:
    """Dry-run in `folder`, in a process whose peak memory the kernel reports."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "reason"]
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        child = subprocess.Popen([*command, *words], cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if child.returncode:
        sys.exit(text)
    jobs = re.search(r"^total +(\d+)$", text, re.MULTILINE)
    if jobs is None:
        sys.exit(f"Snakemake printed no number of jobs: {text[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Turn(int(jobs[1]), wall, cpu, usage.ru_maxrss / 1024)


def main() -> None:
    """Time both in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=12_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        ours, bare = Path(temporary, "ours"), Path(temporary, "bare")
        write_download(ours / "download", options.scans)
        write_cohort(ours / "results/adni/cohort", options.scans)
        (ours / "config").symlink_to(PROJECT / "config")
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(scans=options.scans))
        start = ["--snakefile", str(PROJECT / "Snakefile"), "--cores", "4"]
        words = [*start, "--config", "cohort={download: download}"]
        turns: dict[str, list[Turn]] = {"this workflow": [], "Snakemake alone": []}
        for _ in range(options.turns):
            turns["this workflow"].append(dry_run(ours, *words))
            turns["Snakemake alone"].append(dry_run(bare, "--cores", "4"))
    medians = {
        name: [statistics.median(column) for column in zip(*all_, strict=True)]
        for name, all_ in turns.items()
    }
    lines = [f"{options.scans:,} scans, medians of {options.turns}"]
    for name, (jobs, wall, cpu, peak) in medians.items():
        lines += [f"{name:16} {jobs:6,.0f} jobs {wall:6.1f} s {cpu:6.1f} CPU s {peak:7,.0f} MiB"]
    one, other = medians.values()
    ratios = [a / b for a, b in zip(one[1:], other[1:], strict=True)]
    lines += ["ratio: {:.2f} of wall time, {:.2f} of CPU time, {:.2f} of memory".format(*ratios)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
