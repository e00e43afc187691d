"""A server that starts small trainings to be killed, each in a fraction of a second."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    """See tests/faults/server.py."""

    process: subprocess.Popen[str]
    log: Path

    def start(self, **order: object) -> int:
        """Start a training; gives its process id. Ask for `status` before the next one."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order, default=str) + "\n")
        self.process.stdin.flush()
        return self._number()

    def status(self) -> int:
        """How the training ended that was started last."""
        return self._number()

    def run(self, **order: object) -> int:
        self.start(**order)
        return self.status()

    def _number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="session")
def server(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    program = Path(__file__).with_name("server.py")
    command = [sys.executable, str(program), str(project / "tests/unit/training/conftest.py")]
    pipe = subprocess.PIPE
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process,
    ):
        yield Server(process, log)
        process.kill()
