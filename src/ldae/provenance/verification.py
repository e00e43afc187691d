"""Whether the files of a run still are what its stages made, of what there is now."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ldae.progress import Tally
from ldae.provenance.record import Stamp
from ldae.provenance.run import GATHERED, Run, gathered_hashes
from ldae.runtime import sha256

READERS = 4
AT_ONCE = 64  # files that a reader takes
READ_LATER = (".nii", ".nii.gz", ".npy", ".npz", ".parquet")  # files of scans that stages read
UNKNOWN_TIME = -1


@dataclass(frozen=True)
class Fault:
    """What is wrong with the file `file`, named relative to its run."""

    kind: Literal["changed", "missing", "stale"]
    file: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes:
        faults: changed files first, then missing, then stale ones; of each kind by name.
        files: how many files with records were looked at.
        of_scans: how many that tables list were.
        beyond: inputs outside of what is recorded that are not there, and so were not looked at.
    """

    faults: list[Fault]
    files: int
    of_scans: int
    beyond: list[str]


def verify_run(run: Run, *, full: bool) -> Verdict:
    """Compare what is there with the records of `run`.

    Files with records are hashed. Of the thousands of files of scans those that have the size and
    time that they were recorded with pass for what they were, unless `full`.

    Raises:
        OSError: a file cannot be read.
    """
    lister: dict[str, str] = {}
    expected: dict[str, Stamp] = {}
    for name in run.records:
        listed = run.of_scans(name)
        lister |= dict.fromkeys(listed, name)
        expected |= listed
    expected |= {
        name: Stamp(size=record.size, modified=UNKNOWN_TIME, sha256=record.sha256)
        for name, record in run.records.items()
    }
    found = _look_at(run, expected, full=full)
    faults = [Fault("changed", name, reason) for name, reason in run.damaged.items()]
    for name in sorted(expected):
        if found[name] is None:
            faults.append(Fault("missing", name, _made(run, name, lister)))
        elif found[name] != expected[name].sha256:
            faults.append(Fault("changed", name, _difference(run, name, lister, expected[name])))
    intact = GATHERED in run.records and found[GATHERED] == expected[GATHERED].sha256
    gathered = gathered_hashes(run) if intact else {}
    faults += _gone_with_their_records(run, gathered)
    stale, beyond = _stale(run, found, lister, {fault.file for fault in faults})
    again = [name for name, sha in gathered.items() if found.get(name) not in (sha, None)]
    if again and GATHERED not in {fault.file for fault in stale}:
        stale.append(Fault("stale", GATHERED, f"{again[0]} is another now"))
    order = ("changed", "missing", "stale")
    return Verdict(
        sorted([*faults, *stale], key=lambda fault: (order.index(fault.kind), fault.file)),
        files=len(run.records),
        of_scans=len(lister),
        beyond=beyond,
    )


def _look_at(run: Run, expected: dict[str, Stamp], *, full: bool) -> dict[str, str | None]:
    """SHA-256 of each file as it is now; None: it is not there."""

    def look(names: tuple[str, ...]) -> list[tuple[str, str | None]]:
        return [(name, _hash(run.path(name), expected[name], full=full)) for name in names]

    names = tuple(expected)
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    found: dict[str, str | None] = {}
    tally = Tally("verify", len(expected), unit="files")
    with ThreadPoolExecutor(READERS) as readers:
        for looked in readers.map(look, parts):
            found |= looked
            tally.add(len(looked))
    return found


def _hash(path: Path, expected: Stamp, *, full: bool) -> str | None:
    try:
        status = path.stat()
        same = (status.st_size, status.st_mtime_ns) == (expected.size, expected.modified)
        return expected.sha256 if same and not full else sha256(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _made(run: Run, name: str, lister: dict[str, str]) -> str:
    record = run.records[lister.get(name, name)]
    listed = f", listed by {lister[name]}" if name in lister else ""
    return f"made by {record.stage} on {record.ended[:16].replace('T', ' ')} UTC{listed}"


def _difference(run: Run, name: str, lister: dict[str, str], expected: Stamp) -> str:
    size = run.path(name).stat().st_size
    bytes_now = f"{size:,} bytes" if size != expected.size else f"still {size:,} bytes"
    before = f", {expected.size:,} when" if size != expected.size else ";"
    return f"{bytes_now}{before} {_made(run, name, lister)}"


def _gone_with_their_records(run: Run, gathered: Iterable[str]) -> Iterator[Fault]:
    """What `provenance.json` lists and is there no more, unless stages have run since."""
    if not gathered or any(
        each.ended > run.records[GATHERED].ended for each in run.records.values()
    ):
        return
    for name in gathered:
        if name not in run.records and name not in run.damaged:
            there = run.path(name).exists()
            what = "its record is gone, so that nobody can tell" if there else "and its record too"
            yield Fault("changed" if there else "missing", name, what)


def _stale(
    run: Run, found: dict[str, str | None], lister: dict[str, str], faulty: set[str]
) -> tuple[list[Fault], list[str]]:
    """What is not made of what is there now, and inputs that nobody has a record of."""
    why: dict[str, str] = {}
    beyond: dict[str, str | None] = {}  # other inputs
    for name in run.records:
        for each, sha in run.inputs(name).items():
            if each not in found and each not in beyond:
                path = run.path(each)
                beyond[each] = sha256(path) if path.is_file() else None
            now = found.get(each, beyond.get(each))
            if now is not None and now != sha:
                how = "was changed" if each in faulty or each in beyond else "was made again"
                why.setdefault(name, f"{each} {how} since")
    heads = {
        lister[name]: f"{name}, which it lists, is not what it was"
        for name in sorted(faulty & lister.keys())
        if found[name] is not None and name.endswith(READ_LATER)
    }
    _spread(run, lister, heads, why)
    stale = [Fault("stale", name, why[name]) for name in why if name not in faulty]
    absent = [os.path.relpath(run.path(name)) for name, sha in beyond.items() if sha is None]
    return stale, sorted(absent)


def _spread(run: Run, lister: dict[str, str], heads: dict[str, str], why: dict[str, str]) -> None:
    """Add to `why` what was made from stale files, and from tables whose files have changed."""
    users: dict[str, list[str]] = {}
    for name in run.records:
        for each in run.inputs(name):
            users.setdefault(lister.get(each, each), []).append(name)
    todo = [*heads, *why]
    while todo:
        source = todo.pop()
        reason = f"{source} is stale" if source in why else f"of {source}: {heads[source]}"
        for user in users.get(source, []):
            if user not in why:
                why[user] = reason
                todo.append(user)
