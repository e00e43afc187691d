"""Jobs that ask for GPUs get some of their own, whatever becomes of other jobs.

Real locks between real processes, on devices that are mere names.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PREAMBLE = """
import os, subprocess, sys, time
from pathlib import Path
from ldae.devices import lease
from ldae.errors import UserError
from ldae.runtime import configure_logging

configure_logging()
"""
HOLD = """
for count in map(int, sys.argv[1:]):
    try:
        lease(count)
    except UserError as error:
        sys.exit(f"refused: {error}")
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""
WITH_CHILDREN = """
lease(1)
worker = os.fork()  # as a data loader does
if worker == 0:
    time.sleep(600)
rank = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
print(os.environ["CUDA_VISIBLE_DEVICES"], worker, rank.pid, flush=True)
sys.stdin.read()
"""
TAKE_TURNS = """
lease(int(sys.argv[1]))
for name in os.environ["CUDA_VISIBLE_DEVICES"].split(","):
    Path(name).open("x").close()  # not there, or another job uses it
time.sleep(0.05)
for name in os.environ["CUDA_VISIBLE_DEVICES"].split(","):
    Path(name).unlink()
"""
Job = subprocess.Popen[str]
Start = Callable[..., Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a job on a machine with four GPUs."""
    jobs: list[Job] = []
    machine = {"LDAE_LEASES": str(tmp_path / "leases"), "LDAE_GPUS": "gpu-0,gpu-1,gpu-2,gpu-3"}
    known = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    known.pop("CUDA_VISIBLE_DEVICES", None)

    def started(*words: object, program: str = HOLD, **environment: str) -> Job:
        pipe = subprocess.PIPE
        job = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + program, *map(str, words)],
            cwd=tmp_path,
            env=known | machine | environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        jobs.append(job)
        return job

    yield started
    for job in jobs:
        job.kill()
        job.wait()
        for stream in (job.stdin, job.stdout, job.stderr):
            stream.close()


def leased(job: Job) -> list[str]:
    """What a job has, once it has it."""
    assert job.stdout is not None
    return job.stdout.readline().strip().split(",")


def said(job: Job) -> str:
    """The next line that a job says."""
    assert job.stderr is not None
    return job.stderr.readline()


def test_four_jobs_hold_four_gpus_and_the_fifth_waits_for_the_first_that_dies(start) -> None:
    four = [start(1) for _ in range(4)]
    held = [leased(job) for job in four]
    assert sorted(name for names in held for name in names) == ["gpu-0", "gpu-1", "gpu-2", "gpu-3"]
    fifth = start(1)
    message = said(fifth)
    assert "WARNING waiting for 1 of the GPUs; in use: gpu-0 (process" in message
    for job, (name,) in zip(four, held, strict=True):
        assert f"{name} (process {job.pid})" in message
    four[2].kill()
    assert leased(fifth) == held[2]
    assert fifth.communicate()[1].count("\n") == 1  # "leased ...": it was told once to wait


def test_two_gpus_are_taken_together_and_not_kept_from_who_needs_one(start) -> None:
    one, another, third = (start(1) for _ in range(3))
    held = [leased(job) for job in (one, another, third)]
    pair = start(2)
    assert "waiting for 2 of the GPUs" in said(pair)
    last = start(1)
    assert leased(last) not in held  # the one that was left: the pair has not taken it
    one.kill()
    assert leased(start(1)) == held[0]
    another.kill()
    third.kill()
    assert sorted(leased(pair)) == sorted(held[1] + held[2])


def test_what_a_killed_job_has_left_running_does_not_keep_its_gpu(start) -> None:
    job = start(program=WITH_CHILDREN, LDAE_GPUS="only")
    name, *children = job.stdout.readline().split()
    try:
        waiting = start(1, LDAE_GPUS="only")
        assert f"in use: only (process {job.pid})" in said(waiting)
        os.kill(job.pid, 9)
        assert leased(waiting) == [name]
        for child in children:
            os.kill(int(child), 0)  # it lives
    finally:
        for child in children:
            os.kill(int(child), 9)


def test_jobs_of_any_size_take_turns(start) -> None:
    jobs = [start(count, program=TAKE_TURNS) for count in (1, 3, 2, 4, 1, 3, 2, 1, 4, 2, 3, 1)]
    for job in jobs:
        _, errors = job.communicate()
        assert job.returncode == 0, errors


def test_a_job_sees_what_it_leased_alone_and_leases_once(start) -> None:
    job = start(0, 2, 1, 0)
    assert leased(job) == [""]
    assert leased(job) == leased(job) == leased(job) == ["gpu-0", "gpu-1"]
    again = start(1, 2)
    assert leased(again) == ["gpu-2"]
    assert again.communicate()[1].endswith(
        "refused: 2 GPUs: this process has leased 1; start another one\n"
    )


def test_ranks_use_what_the_first_has_leased(start) -> None:
    names = leased(start(2))
    rank = start(2, LOCAL_RANK="1", CUDA_VISIBLE_DEVICES=",".join(names))
    assert leased(rank) == names


def test_runs_that_are_given_the_same_gpu_by_number_or_name_share_it(start) -> None:
    assert leased(start(1, CUDA_VISIBLE_DEVICES="3,1")) == ["gpu-3"]
    assert leased(start(1, CUDA_VISIBLE_DEVICES="gpu-3,gpu-2")) == ["gpu-2"]
    assert leased(start(1, CUDA_VISIBLE_DEVICES="1")) == ["gpu-1"]
    assert "in use: gpu-1" in said(start(1, CUDA_VISIBLE_DEVICES="gpu-1"))


def test_jobs_of_slurm_have_been_given_their_gpus_and_share_within_one(start) -> None:
    given = {"LDAE_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"}  # numbers within the job
    assert leased(start(2, SLURM_JOB_ID="17", **given)) == ["0", "1"]
    assert leased(start(1, SLURM_JOB_ID="18", **given)) == ["0"]
    assert leased(start(1, SLURM_JOB_ID="18", **given)) == ["1"]
    assert "in use: 0 (process" in said(start(1, SLURM_JOB_ID="18", **given))


@pytest.mark.parametrize(
    ("there", "found"), [("", "none on this machine"), ("a,b", "2 on this machine")]
)
def test_where_there_are_fewer_a_setting_decides(start, there: str, found: str) -> None:
    refused = start(3, LDAE_GPUS=there, LDAE_FEWER_GPUS="stop")
    out, errors = refused.communicate()
    assert (refused.returncode, out) == (1, "")
    assert errors == (
        f"refused: 3 GPUs asked for and {found}; ask for fewer (`gpu` of the stage's resources, or "
        "--devices; 0 is the CPU), or go on with those there are (resources.fewer_gpus: continue)\n"
    )
    going_on = start(3, LDAE_GPUS=there, LDAE_FEWER_GPUS="continue")
    assert leased(going_on) == there.split(",")
    which = "2" if there else "the CPU"
    assert f"WARNING 3 GPUs asked for and {found}: going on with {which}" in said(going_on)
    other = start(3, LDAE_GPUS=there, LDAE_FEWER_GPUS="maybe")
    assert "LDAE_FEWER_GPUS=maybe: use stop or continue" in other.communicate()[1]


def test_gpus_that_torch_cannot_use_count_as_missing(start, tmp_path: Path) -> None:
    """Torch may be built for the CPU; and of the slices of a GPU, CUDA sees one."""
    (tmp_path / "torch.py").write_text(
        "class cuda:\n    is_available = lambda: True\n    device_count = lambda: 1\n"
    )
    listing = "".join(f"GPU {index}: a (UUID: GPU-{index})\\n" for index in range(2))
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{listing}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    job = start(
        2,
        program="sys.path.insert(0, '.')\nos.environ.pop('LDAE_GPUS')" + HOLD,
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )
    assert leased(job) == ["GPU-0"]
    assert "2 GPUs asked for and 1 that torch can use, of GPU-0, GPU-1: going on" in said(job)


def test_no_stage_asks_for_cuda_before_it_leases(start, project: Path) -> None:
    """Once the driver has been asked, it shows what was visible then."""
    stages = project / "src/ldae/stages"
    using = [path.stem for path in stages.glob("*.py") if "    devices: int" in path.read_text()]
    assert len(using) > 15
    asked = "def asked(*given): sys.exit('asked')\n"
    patched = "import torch\ntorch.cuda.is_available = torch.cuda.device_count = asked\n"
    imports = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    job = start(*(f"ldae.stages.{name}" for name in using), program=asked + patched + imports)
    assert job.communicate()[1] == ""
