"""Whether the files of a run still are what its stages made."""

import logging
import sys
from collections import Counter
from pathlib import Path

from ldae.origin import in_words
from ldae.provenance.run import GATHERED, Run, read_run
from ldae.provenance.verification import Fault, verify_run
from ldae.runs.start import START, is_alive

SHOWN = 40  # of each kind


def verify(run: Path, *, full: bool = False) -> int:
    """Tell what was changed by hand, is missing, or is stale: its inputs changed after it was made.

    Tables, weights, figures and pages are hashed. Files of single scans (images, volumes, latents)
    are compared by size and time with what the stages left, and hashed where these differ.

    Args:
        run: a folder of results, such as results/demo.
        full: hash the files of single scans too, however they look.

    Returns:
        Exit status: 0 when all is as it was made, 1 when not.

    Raises:
        UserError: there are no records in `run`.
    """
    known = read_run(run)
    if (run / START).is_file() and is_alive(run):
        logging.warning("the run is at work: what its jobs are making shows as changed or missing")
    verdict = verify_run(known, full=full)
    if GATHERED not in known.records:
        logging.info("no %s yet: the run has not come to its end", GATHERED)
    if verdict.beyond:
        logging.info(
            "%d inputs from outside are not here, %s first: whether they have changed is not known",
            *(len(verdict.beyond), verdict.beyond[0]),
        )
    counts: Counter[str] = Counter(fault.kind for fault in verdict.faults)
    looked = f"{verdict.files:,} files" + (
        f" and {verdict.of_scans:,} of single scans{'' if full else ' (by size and time)'}"
        if verdict.of_scans
        else ""
    )
    if not verdict.faults:
        sys.stdout.write(f"{run}: {looked} are as they were made ({_makers(known)})\n")
        return 0
    sys.stdout.writelines(_lines(verdict.faults, counts))
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    sys.stdout.write(
        f"{run}: of {looked}: {told}. Remove what was changed; `snakemake --force FILE` makes FILE "
        "again (of a single scan's file: the table that lists it), and `snakemake` what is stale, "
        "both with the options of the run\n"
    )
    return 1


def _lines(faults: list[Fault], counts: Counter[str]) -> list[str]:
    shown: Counter[str] = Counter()
    lines = []
    for fault in faults:
        shown[fault.kind] += 1
        if shown[fault.kind] <= SHOWN:
            lines.append(f"{fault.kind:8} {fault.file}: {fault.why}\n")
        elif shown[fault.kind] == counts[fault.kind]:
            lines.append(f"{fault.kind:8} and {counts[fault.kind] - SHOWN:,} more\n")
    return lines


def _makers(run: Run) -> str:
    makers = [(record.version, record.commit) for record in run.records.values()]
    return "; ".join(in_words(*maker) for maker in dict.fromkeys(makers))
