"""A training as a job of a real Slurm: its devices, its end by the scheduler, its continuation."""

import re
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from .conftest import OnCluster

pytestmark = pytest.mark.slurm

Found = TypeVar("Found")


def wait_for(find: Callable[[], Found | None], on_cluster: OnCluster) -> Found:
    until = time.monotonic() + 400
    while (found := find()) is None:
        assert time.monotonic() < until, on_cluster.said
        time.sleep(0.2)
    return found


def job(on_cluster: OnCluster, *, attempt: int) -> Callable[[], dict[str, str] | None]:
    """What Slurm knows of the training's `attempt`th job once it runs."""

    def find() -> dict[str, str] | None:
        numbers = re.findall(r"submitted with SLURM jobid (\d+)", on_cluster.said)
        if len(numbers) < attempt:
            return None
        shown = on_cluster.cluster.call("scontrol", "show", "job", numbers[attempt - 1])
        facts = dict(re.findall(r"([\w/]+)=(\S+)", shown))
        return facts if facts.get("JobState") == "RUNNING" else None

    return find


def test_a_training_on_two_gpus_starts_once_and_goes_on_after_it_was_cancelled(
    preprocessed: OnCluster,
) -> None:
    run = preprocessed.folder / "results/small"
    checkpoint = run / "state/autoencoder/checkpoint.pt"
    running = preprocessed.start("autoencoder", "--retries", "1", LDAE_CHECKPOINT_SECONDS="0")
    first = wait_for(job(preprocessed, attempt=1), preprocessed)
    assert first["NumTasks"] == "1"
    assert first["NumNodes"] == "1"
    assert first["CPUs/Task"] == "2"
    assert first["TimeLimit"] == "00:20:00"
    assert first["MinMemoryNode"] == "2000M"
    assert first["TresPerJob"] == "gres:gpu:2"
    wait_for(lambda: checkpoint.exists() or None, preprocessed)
    preprocessed.cluster.call("scancel", first["JobId"])
    second = wait_for(job(preprocessed, attempt=2), preprocessed)
    assert second["MinMemoryNode"] == "4000M"
    assert second["TimeLimit"] == "00:20:00"  # it goes on where it was
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=400) != 0
    wait_for(lambda: None if preprocessed.cluster.running() else True, preprocessed)
    assert not (run / "models/autoencoder/weights.safetensors").exists()
    assert preprocessed.run("autoencoder") == 0, preprocessed.said
    assert (run / "models/autoencoder/weights.safetensors").exists()
    assert "continu" in (run / "logs/train_autoencoder.log").read_text().lower()
    calls = preprocessed.calls("train-autoencoder")
    jobs = [call["SLURM_JOB_ID"] for call in calls]
    assert len(set(jobs)) == len(jobs)
    for call in calls:
        assert call["SLURM_NTASKS"] == "1"
        assert len(set(call["CUDA_VISIBLE_DEVICES"].split(","))) == 2
