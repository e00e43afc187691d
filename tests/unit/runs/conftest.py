"""A run's folder as the workflow leaves it, without a workflow."""

import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

BENCHMARK = "s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t500\n"


def _lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _lay_over(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return below | both


@pytest.fixture(scope="session")
def configuration(project: Path) -> dict[str, Any]:
    texts = [(project / f"config/{name}.yaml").read_text() for name in ("config", "demo")]
    return _lay_over(*map(yaml.safe_load, texts))


@pytest.fixture
def begin(tmp_path: Path, configuration: dict[str, Any]) -> Callable[..., Path]:
    """Makes `results/demo` with a `run.json`, ten minutes old, with some entries changed."""

    def make(**changes: Any) -> Path:
        run = tmp_path / "results/demo"
        for folder in ("logs", "benchmarks"):
            (run / folder).mkdir(parents=True, exist_ok=True)
        start = {
            "started": (datetime.now().astimezone() - timedelta(minutes=10)).isoformat(),
            "host": socket.gethostname(),
            "directory": str(tmp_path),
            "snakefile": str(tmp_path / "Snakefile"),
            "targets": [],
            "max_checksum_file_size": 10,
            "cores": 2,
            "gpus": None,
            "configuration": configuration,
        }
        (run / "run.json").write_text(json.dumps(start | changes))
        return run

    return make


@pytest.fixture
def run(begin: Callable[..., Path]) -> Path:
    return begin()


@pytest.fixture
def finish(run: Path) -> Callable[..., None]:
    """Leaves what a job leaves that has ended well."""

    def leave(name: str, seconds: float) -> None:
        path = run / f"benchmarks/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BENCHMARK.format(seconds=seconds))

    return leave


@pytest.fixture
def log(run: Path) -> Callable[..., Path]:
    """Writes the log of a job that began two minutes ago."""

    def write(name: str, *lines: str) -> Path:
        path = run / f"logs/{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = datetime.now() - timedelta(minutes=2)
        path.write_text("\n".join([f"{begun:%H:%M:%S} INFO $ ldae {name}", *lines]) + "\n")
        return path

    return write
