"""A real, small run of the whole workflow, made once and examined by many tests."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DRY = ("--dry-run", "--quiet", "rules", "progress", "--replace-workflow-config")
SMOKE = ("config/config.yaml", "config/demo.yaml", "smoke.yaml")
KILLED = ("autoencoder", "ldm", "ldae")  # each once, by `kill -9`, on the way to the finished run


@dataclass(frozen=True)
class Workflow:
    """Snakemake, called as a user would, in a folder of its own."""

    project: Path
    folder: Path

    def command(self, *words: str, configfiles: tuple[str, ...] = SMOKE) -> list[str]:
        snakefile = str(self.project / "Snakefile")
        program = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
        profile = ["--workflow-profile", str(self.project / "profiles/default")]
        return [*program, *words, *profile, "--cores", "2", "--configfile", *configfiles]

    def environment(self) -> dict[str, str]:
        here = str(Path(sys.executable).parent)
        return os.environ | {"PATH": f"{here}:{os.environ['PATH']}"}

    def run(
        self, *words: str, configfiles: tuple[str, ...] = SMOKE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, configfiles=configfiles),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def kill_at(self, path: Path) -> None:
        """Start a run, and kill it and all of its jobs once `path` is there."""
        running = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment() | {"LDAE_CHECKPOINT_SECONDS": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not path.exists() and running.poll() is None:
            time.sleep(0.02)
        assert running.poll() is None, f"ended before {path}"
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        unlocked = self.run("--unlock")
        assert unlocked.returncode == 0, unlocked.stdout

    def overlay(self, text: str) -> tuple[str, ...]:
        """The small configuration with `text` laid over it."""
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
        path.write_text(text)
        return (*SMOKE, path.name)

    def planned(self, text: str = "{}") -> set[str]:
        """The rules a run with the overlay `text` would execute, without mere targets."""
        done = self.run("--dry-run", configfiles=self.overlay(text))
        assert done.returncode == 0, done.stdout
        table = done.stdout.rpartition("Job stats:")[2].partition("total")[0]
        return set(re.findall(r"^([a-z]\w+) +\d+$", table, re.MULTILINE)) - {"all"}

    def dry_runs(self, configurations: dict[str, Any]) -> dict[str, Any]:
        """The `jobs` of a dry run with each whole configuration, or why it was `refused`."""
        words = self.command(*DRY, configfiles=())[3:-1]  # without the program and --configfile
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("dry_runs.py")],
            input=json.dumps({"words": words, "configurations": configurations}),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-8000:]
        answers: dict[str, Any] = json.loads(done.stdout)
        return answers

    @property
    def results(self) -> Path:
        return self.folder / "results" / "smoke"


def workflow_in(folder: Path, project: Path) -> Workflow:
    (folder / "config").symlink_to(project / "config")
    (folder / "smoke.yaml").symlink_to(project / "tests/workflow/smoke.yaml")
    return Workflow(project, folder)


@pytest.fixture
def workflow(tmp_path: Path, project: Path) -> Workflow:
    """A folder in which nothing has run."""
    return workflow_in(tmp_path, project)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Workflow:
    """A folder in which the whole small workflow has run, killed once in three trainings."""
    workflow = workflow_in(tmp_path_factory.mktemp("finished"), project)
    for model in KILLED:
        workflow.kill_at(workflow.results / "state" / model / "checkpoint.pt")
    done = workflow.run()
    assert done.returncode == 0, done.stdout[-8000:]
    return workflow


def copied(workflow: Workflow, folder: Path) -> Workflow:
    """The same run in another folder, to be changed there."""
    shutil.copytree(workflow.folder, folder, symlinks=True)
    return Workflow(workflow.project, folder)
