"""Watch a stage while it runs, and put records beside what it made."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from re import match
from typing import Any

from ldae.config import Section
from ldae.errors import UserError
from ldae.origin import made_with
from ldae.provenance.behind import files_behind
from ldae.provenance.record import Environment, Job, Record, Stamp, read_record, stamp, write_record
from ldae.runtime import Seen, sha256, watching
from ldae.settings import fingerprint

# Folders in which not every new file is a result by itself.
OTHERS = {"state", "bids", "derivatives", "download", "buckets"}


@contextmanager
def recorded(stage: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Record what the block, which runs `stage` with the arguments `given`, makes of what.

    A block that fails leaves the records as they were. Of a training's ranks the first records.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield
        return
    origin, started = made_with(), _now()  # before the stage: its code is read by now
    named = {path.absolute() for path in _paths(given.values())}
    before = {path: sha256(path) for path in named if path.is_file()}
    settings = next((value for value in given.values() if isinstance(value, Section)), None)
    settings_hash = fingerprint(settings) if settings else None
    with watching(settings_hash) as seen:
        yield
    seen.read = before | seen.read  # files that the command names, and that no shared reader read
    job = Job(
        stage=stage,
        version=str(origin["ldae"]),
        commit=origin["commit"],
        settings_hash=settings_hash,
        settings=settings.model_dump(mode="json") if settings else None,
        options={name: value for name, value in given.items() if _is_option(value)},
        environment=environment(),
        started=started,
        ended=_now(),
    )
    _write_records(job, given, seen)


def environment() -> Environment:
    """Python, machine, and the packages that ldae depends on."""
    torch = sys.modules.get("torch")
    on_gpu = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        device=torch.cuda.get_device_name() if torch and on_gpu else "cpu",
        packages=_packages(),
    )


@cache
def _packages() -> dict[str, str]:
    found = {}
    for requirement in requires("ldae") or []:
        name = match(r"[\w.-]+", requirement)
        if name and "extra ==" not in requirement:
            try:
                found[name[0]] = version(name[0])
            except PackageNotFoundError:
                found[name[0]] = "not installed"
    return found


def _write_records(job: Job, given: Mapping[str, Any], seen: Seen) -> None:
    written = {path for path in seen.written if path.is_file()}
    behind = files_behind(job.stage, given, written)
    owner, listed = behind if behind else (None, {})
    listed = {path.absolute(): known for path, known in listed.items()}
    for path in sorted(_results(given, written) - listed.keys()):
        made = stamp(path)
        files = _stamps(path, listed) if owner and owner.absolute() == path else {}
        record = Record(
            **dict(job),
            sha256=made.sha256,
            size=made.size,
            inputs=seen.inputs(path.parent),
            files=files,
        )
        write_record(path, record)


def _results(given: Mapping[str, Any], written: set[Path]) -> set[Path]:
    """What the stage wrote under a name, or in a folder, that its arguments give."""
    named = {path.absolute() for path in _paths(given.values())}
    folders = {
        value.absolute()
        for name, value in given.items()
        if isinstance(value, Path) and name not in OTHERS
    }
    return {path for path in written if path in named or path.parent in folders}


def _stamps(table: Path, listed: Mapping[Path, str | None]) -> dict[str, Stamp]:
    """The files that `table` answers for; those that stand as they did are not hashed again."""
    try:
        before = read_record(table).files
    except UserError:  # none, or it cannot be read: it is replaced
        before = {}
    stamps = {}
    for path, known in listed.items():
        name, status = os.path.relpath(path, table.parent), path.stat()
        same = before.get(name)
        stands = same and (same.size, same.modified) == (status.st_size, status.st_mtime_ns)
        stamps[name] = stamp(path, known=known or (same.sha256 if same and stands else None))
    return stamps


def _paths(values: Any) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list):
            yield from _paths(value)


def _is_option(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) > 0 and all(map(_is_option, value))
    return isinstance(value, str | int | float)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
