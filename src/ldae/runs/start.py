"""How a run was started, from the `run.json` that the workflow leaves when work begins."""

import difflib
import fcntl
import json
import socket
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ldae.config import Config, Section
from ldae.errors import UserError

START = "run.json"
CLUSTER = 1_000_000  # more than any run asks for


class Start(Section):
    """The last call of Snakemake that did work in a run's folder, and its whole configuration."""

    started: datetime
    host: str
    directory: Path
    snakefile: Path
    targets: tuple[str, ...]
    max_checksum_file_size: int
    cores: int | None
    gpus: int | None
    configuration: Config

    @property
    def room(self) -> tuple[int, int]:
        """GPUs and cores for jobs at a time; a cluster has room for all."""
        resources = self.configuration.resources
        asked = (resources.autoencoder, resources.train, resources.evaluate)
        most = CLUSTER if self.cores is None else max(stage.gpu for stage in asked)
        return most if self.gpus is None else self.gpus, self.cores or CLUSTER

    @property
    def folder(self) -> Path:
        """Where the run is."""
        return self.directory / "results" / self.configuration.run


def read_start(folder: Path) -> Start:
    """The `run.json` of a run's folder.

    Raises:
        UserError: the folder is not there, no run's, another run's, or of another version.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder{_instead(folder)}")
    path = folder / START
    try:
        start = Start.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no {START} in it, which `snakemake` writes when it begins to work: not the "
            f"folder of a run, or of one begun by an older version{_instead(folder)}"
        ) from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise UserError(
            f"{path}: {where}: {fault['msg']}; it is of another version of ldae: call `snakemake` "
            "again as before"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); call `snakemake` again") from None
    if folder.resolve() != start.folder.resolve():
        raise UserError(
            f"{folder}: its {START} is of the run {start.folder}: this folder was copied or moved, "
            "or holds the run of another configuration"
        )
    return start


def is_alive(folder: Path) -> bool | None:
    """Whether the Snakemake that wrote `run.json` still lives, which holds a lock on it until then.

    None: it was started on another machine, from where the lock may not be seen.
    """
    with (folder / START).open(encoding="utf-8") as file:
        host = json.load(file)["host"]
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return None
    return False if host == socket.gethostname() else None


def _instead(folder: Path) -> str:
    """Runs that may have been meant."""
    places = {path.parent for path in (*Path("results").glob(f"*/{START}"), *folder.glob(START))}
    places |= {path.parent for path in folder.parent.glob(f"*/{START}")}
    names = sorted(str(place) for place in places)
    near = difflib.get_close_matches(str(folder), names, 1) or [
        name for name in names if Path(name).name == folder.name
    ]
    if near:
        return f"; did you mean {near[0]}?"
    return f"; runs here: {', '.join(names)}" if names else ""
