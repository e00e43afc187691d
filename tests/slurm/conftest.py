"""A cluster of one machine, and the workflow on it."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from .cluster import Cluster
from .packages import NoSlurmError, unpack_slurm

CONFIGURATION = ("config/config.yaml", "config/demo.yaml", "small.yaml")
QUICK = {  # checks of jobs that take seconds; this cluster has no accounting database
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": "1",
    "seconds-between-status-checks": "1",
    "latency-wait": "10",
}


@dataclass(frozen=True)
class OnCluster:
    """Snakemake on a login node, in a folder of its own, with the profile a user has."""

    cluster: Cluster
    project: Path
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        said = (self.folder / "said.txt").open("a")
        profiles = ["--profile", "profiles/slurm", "--workflow-profile", "profiles/default"]
        options = [word for option, value in QUICK.items() for word in (f"--{option}", value)]
        snakemake = [sys.executable, "-m", "snakemake", *words, *profiles, *options]
        # What a shell runs in its background ignores Ctrl-C, with all that it starts; a handler
        # here is the default there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        running = subprocess.Popen(
            [*snakemake, "--configfile", *CONFIGURATION],
            cwd=self.folder,
            env=self.environment() | variables,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(running)
        return running

    def run(self, *words: str) -> int:
        return self.start(*words).wait(timeout=3600)

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def environment(self) -> dict[str, str]:
        """Of the user: every call of `ldae` is noted down before it is made."""
        known = self.cluster.environment
        leases = {"LDAE_GPUS": "GPU-0,GPU-1,GPU-2,GPU-3", "LDAE_LEASES": str(self.folder)}
        return known | leases | {"PATH": f"{self.folder / 'bin'}:{known['PATH']}"}

    def calls(self, command: str) -> list[dict[str, str]]:
        """The environments in which a subcommand of `ldae` was called."""
        notes = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [note["environment"] for note in notes if note["words"][0] == command]


NOTE = """#!{python} -S
import json, os, sys
wanted = ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID", "CUDA_VISIBLE_DEVICES")
known = {{name: os.environ[name] for name in wanted if name in os.environ}}
with open("{calls}", "a") as file:
    file.write(json.dumps({{"words": sys.argv[1:], "environment": known}}) + "\\n")
os.execv("{ldae}", ["{ldae}", *sys.argv[1:]])
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("Slurm: snakemake-executor-plugin-slurm is not installed (`make setup` does)")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        root = unpack_slurm(folder / "packages")
        with Cluster(folder / "cluster", root, cpus=2, memory=16000) as cluster:
            yield cluster
    except NoSlurmError as reason:
        pytest.skip(f"Slurm: {reason}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def on_cluster(cluster: Cluster, project: Path, tmp_path: Path) -> Iterator[OnCluster]:
    """A checkout in which nothing has run."""
    for part in ("Snakefile", "config", "profiles", "workflow", "envs"):
        (tmp_path / part).symlink_to(project / part)
    (tmp_path / "bin").mkdir()
    ldae = Path(sys.executable).with_name("ldae")
    note = NOTE.format(python=sys.executable, calls=tmp_path / "calls", ldae=ldae)
    (tmp_path / "bin/ldae").write_text(note)
    (tmp_path / "bin/ldae").chmod(0o755)
    on_cluster = OnCluster(cluster, project, tmp_path)
    yield on_cluster
    for running in on_cluster.started:
        running.kill()


@pytest.fixture
def preprocessed(on_cluster: OnCluster, blob_scans: Path, tiny_training: dict) -> OnCluster:
    """A run as it is when its scans have been preprocessed: what comes next is a training."""
    autoencoder = tiny_training["autoencoder"]
    budget = {"amount": 1200, "unit": "samples"}
    changes = {
        "run": "small",
        "autoencoder": autoencoder | {"training": autoencoder["training"] | {"budget": budget}},
        "resources": {"autoencoder": {"gpu": 2, "threads": 2, "mem_mb": 2000, "runtime": 20}},
    }
    (on_cluster.folder / "small.yaml").write_text(yaml.safe_dump(changes))
    run = on_cluster.folder / "results/small"
    for name in [
        *("download/002_S_0295/I1/1.dcm", "download_truth.csv", "download_expected.csv"),
        *("cohort/planned.parquet", "cohort/buckets/0000.parquet"),
        *("cohort/converted/0000.parquet", "cohort/preprocessed/0000.parquet"),
        *("cohort/images.tsv", "cohort/ingested.parquet", "cohort/attrition.csv"),
        *("bids/dataset_description.json", "cohort/excluded.tsv"),
    ]:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    shutil.copy(blob_scans / "scans.parquet", run / "cohort/scans.parquet")
    (run / "derivatives").mkdir()
    (run / "derivatives/ldae").symlink_to(blob_scans / "derivatives")
    os.utime(run / "cohort/scans.parquet")
    return on_cluster
