"""What is known of a file: how it was made, and what it was then."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ldae.errors import UserError
from ldae.runtime import record_path, sha256, write_text


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Environment(_Plain):
    """What a job ran on."""

    python: str
    platform: str
    device: str  # "cpu", or the GPU's name
    packages: dict[str, str]  # that ldae depends on


class Stamp(_Plain):
    """A file as it was: `modified` is its time in nanoseconds."""

    size: int
    modified: int
    sha256: str


class Job(_Plain):
    """One call of a stage.

    Attributes:
        stage: the subcommand.
        version: of ldae.
        commit: of its source tree; None: not known.
        settings_hash: of `settings`; None: the stage reads none.
        settings: the slice of the configuration that the stage got.
        options: its other arguments that are no paths.
        environment: what it ran on.
        started: date and time, UTC.
        ended: date and time, UTC.
    """

    stage: str
    version: str
    commit: str | None
    settings_hash: str | None
    settings: dict[str, Any] | None
    options: dict[str, Any]
    environment: Environment
    started: str
    ended: str


class Record(Job):
    """How a file was made.

    Attributes:
        sha256: of the file.
        size: bytes.
        inputs: SHA-256 of the files it was made from, by path relative to the file's folder.
        files: files of scans that it lists, by path relative to its folder.
    """

    sha256: str
    size: int
    inputs: dict[str, str]
    files: dict[str, Stamp]


def stamp(path: Path, *, known: str | None = None) -> Stamp:
    """The file at `path` as it is; `known` is its SHA-256 where that has been found before."""
    status = path.stat()
    return Stamp(size=status.st_size, modified=status.st_mtime_ns, sha256=known or sha256(path))


def write_record(path: Path, record: Record) -> None:
    """Put the record of the file `path` beside it."""
    write_text(record_path(path), record.model_dump_json(indent=1) + "\n")


def read_record(path: Path) -> Record:
    """The record of the file `path`.

    Raises:
        UserError: there is none, or it is damaged.
    """
    where = record_path(path)
    try:
        return Record.model_validate_json(where.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: nothing is known of how it was made") from None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{where}: cannot be read as a record ({reason})") from None
