"""Jobs of one run share the GPUs of a machine, and the run says what it has of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .conftest import Workflow

# Every job of one GPU waits until all four hold theirs: they would wait for ever if two shared one.
TOGETHER = """
rule all:
    input:
        expand("held/{name}.json", name=["a", "b", "c", "d", "pair"]),

rule one:
    output: "held/{name}.json"
    wildcard_constraints: name="[a-d]"
    resources: gpu=1
    shell: "python job.py --devices {resources.gpu} --together 4 {output} 2> {wildcards.name}.log"

rule pair:
    output: "held/pair.json"
    resources: gpu=2
    shell: "python job.py --devices {resources.gpu} --together 1 {output} 2> pair.log"
"""
JOB = """
import json, os, sys, time
from pathlib import Path
from ldae.devices import lease
from ldae.runtime import configure_logging

configure_logging()
_, _, devices, _, together, output = sys.argv
lease(int(devices))
held = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
for name in held:
    Path("in-use-" + name).open("x").close()  # not there, or another job uses it
Path(output).with_suffix(".ready").touch()
while len(list(Path("held").glob("[a-d].ready"))) < int(together):
    time.sleep(0.02)
for name in held:
    Path("in-use-" + name).unlink()
Path(output).write_text(json.dumps(held))
"""


def test_snakemake_counts_gpus_and_jobs_lease_them(tmp_path: Path) -> None:
    """Snakemake is told of six, and the machine has four: the leases hold all the same."""
    (tmp_path / "Snakefile").write_text(TOGETHER)
    (tmp_path / "job.py").write_text(JOB)
    names = [f"gpu-{index}" for index in range(4)]
    known = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    known |= {"LDAE_GPUS": ",".join(names), "LDAE_LEASES": str(tmp_path)}
    known |= {"PATH": f"{Path(sys.executable).parent}:{known['PATH']}"}
    known.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "5", "--resources", "gpu=6"],
        cwd=tmp_path,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("held/*.json")}
    pair = held.pop("pair")
    assert sorted(name for names in held.values() for name in names) == names
    assert len(set(pair)) == 2
    assert {*pair} <= {*names}


def test_every_job_is_told_how_many_gpus_it_has_and_the_run_how_many_there_are(
    workflow: Workflow, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("LDAE_GPUS", "gpu-0,gpu-1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "ADNI").mkdir()
    asking = "resources: {autoencoder: {gpu: 4}, train: {gpu: 2}, fewer_gpus: continue}"
    (tmp_path / "asking.yaml").write_text(asking)
    done = _planned(workflow, "--resources", "gpu=4")
    warning = "WARNING --resources gpu=4, and 2 on this machine: jobs wait for each other's"
    assert done.count(warning) == 1
    told = _devices_by_stage(done)
    assert told["train-autoencoder"] == {4}
    assert told["train-ldm"] == told["train-ldae"] == told["train-dae"] == {2}
    assert told["encode-latents"] == told["embed-scans"] == told["invert-scans"] == {1}
    none = _planned(workflow, "--resources", "gpu=0")
    assert set().union(*_devices_by_stage(none).values()) == {0}


def _planned(workflow: Workflow, *words: str) -> str:
    words = ("--dry-run", "--printshellcmds", "--config", "cohort={download: ADNI}", *words)
    done = workflow.run(*words, configfiles=("config/config.yaml", "asking.yaml"))
    assert done.returncode == 0, done.stdout
    return done.stdout


def _devices_by_stage(said: str) -> dict[str, set[int]]:
    told: dict[str, set[int]] = {}
    for stage, devices in re.findall(r"ldae ([a-z-]+) .* --devices (\d+) ", said):
        told[stage] = told.get(stage, set()) | {int(devices)}
    return told


def test_every_rule_that_may_have_gpus_says_how_many(project: Path) -> None:
    files = sorted((project / "workflow/rules").glob("*.smk"))
    rules = [
        rule
        for file in files
        for rule in re.split(r"^(?=rule )", file.read_text(), flags=re.MULTILINE)
        if re.search(r'\*\*resources\("(autoencoder|train|evaluate)"', rule)
    ]
    assert len(rules) > 15
    silent = [rule.split()[1] for rule in rules if "--devices {resources.gpu}" not in rule]
    assert not silent
