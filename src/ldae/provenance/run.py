"""All records of a run, and the one file that gathers them."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldae.config import Section
from ldae.errors import UserError
from ldae.provenance.record import Record, Stamp, read_record
from ldae.runtime import RECORDS, write_json
from ldae.settings import fingerprint

GATHERED = "provenance.json"
FORMAT = 1
WITHOUT = {"bids", "derivatives", "download", "state", "logs", "benchmarks"}  # hold no records


@dataclass(frozen=True)
class Run:
    """The records of a run's files, by path relative to its `folder`.

    `damaged` are records that cannot be read, with the reason.
    """

    folder: Path
    records: dict[str, Record] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where the file `name` is; links within `name` are not followed upwards."""
        return Path(os.path.normpath(self.folder / name))

    def inputs(self, name: str) -> dict[str, str]:
        """SHA-256 of what the file `name` was made from, by path relative to the run's folder."""
        beside = os.path.dirname(name)
        inputs = self.records[name].inputs
        return {os.path.normpath(os.path.join(beside, each)): inputs[each] for each in inputs}

    def of_scans(self, name: str) -> dict[str, Stamp]:
        """The files of scans that `name` lists, by path relative to the run's folder."""
        beside = os.path.dirname(name)
        files = self.records[name].files
        return {os.path.normpath(os.path.join(beside, each)): files[each] for each in files}


def read_run(folder: Path) -> Run:
    """The records beside the files below `folder`.

    Raises:
        UserError: there is no such folder, or no record in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name that of a run, results/demo say")
    run = Run(folder.absolute())
    for path in sorted(_recorded(run.folder)):
        name = path.relative_to(run.folder).as_posix()
        try:
            run.records[name] = read_record(path)
        except UserError as error:
            run.damaged[name] = str(error)
    if not run.records:
        raise UserError(f"{folder}: holds no records of how its files were made; is it a run?")
    return run


def gather(run: Run, settings: Section) -> None:
    """Write `provenance.json`: what stands in all records of `run`, the repeated parts once.

    `settings` are those the run was asked for; each file names those it was made with.
    """
    slices: dict[str, Any] = {}
    environments: dict[str, Any] = {}
    files: dict[str, Any] = {}
    for name, record in run.records.items():
        if name == GATHERED:
            continue
        entry = record.model_dump(mode="json", exclude={"settings", "environment", "files"})
        machine = record.environment.model_dump(mode="json")
        environments[fingerprint(machine)] = machine
        if record.settings_hash is not None:
            slices[record.settings_hash] = record.settings
        files[name] = entry | {"environment": fingerprint(machine), "inputs": run.inputs(name)}
        if record.files:
            files[name]["of_scans"] = _summary(run, name)
    write_json(
        run.folder / GATHERED,
        {
            "format": FORMAT,
            "run": run.folder.name,
            "settings_hash": fingerprint(settings),
            "settings": settings.model_dump(mode="json"),
            "files": files,
            "slices": dict(sorted(slices.items())),
            "environments": dict(sorted(environments.items())),
        },
    )


def gathered_hashes(run: Run) -> dict[str, str]:
    """SHA-256 of the files that `provenance.json` lists, which must be as `gather` wrote it."""
    content = json.loads((run.folder / GATHERED).read_text(encoding="utf-8"))
    return {name: entry["sha256"] for name, entry in content["files"].items()}


def _summary(run: Run, name: str) -> dict[str, Any]:
    """How many files of scans a table lists, their bytes, and one hash of all their hashes."""
    files = run.records[name].files
    lines = "".join(f"{each}\0{files[each].sha256}\n" for each in sorted(files))
    return {
        "files": len(files),
        "size": sum(each.size for each in files.values()),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def _recorded(folder: Path) -> Iterator[Path]:
    """The files below `folder` that have a record, whether or not they are there.

    Links are followed: a large folder may lie on another disk.
    """
    visited = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in visited:  # links may go round in circles
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in WITHOUT]
        if Path(place).name == RECORDS:
            for name in files:
                if name.endswith(".json") and name[0] != ".":
                    yield Path(place).parent / name.removesuffix(".json")
