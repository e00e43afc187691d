import logging
import os

import pytest
import torch

from ldae import devices, gpus
from ldae.config import Training
from ldae.errors import UserError
from ldae.training.fabric import launch


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Has three GPUs in name."""
    monkeypatch.setattr(devices, "_leases", [])
    monkeypatch.setattr(gpus, "GIVEN", None)
    monkeypatch.setenv("LDAE_LEASES", str(tmp_path))
    monkeypatch.setenv("LDAE_GPUS", "a,b,c")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # set back afterwards


def plan(batch_size: int) -> Training:
    values = {
        "batch_size": batch_size,
        "accumulate": 1,
        "learning_rate": 1.0,
        "warmup_steps": 0,
        "schedule": "constant",
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "budget": {"amount": 1, "unit": "epochs"},
        "validate_every": 5,
        "patience": None,
        "precision": "32-true",
        "activation_checkpointing": False,
    }
    return Training.model_validate(values)


def test_more_gpus_than_there_are_stop_a_training_that_may_not_use_fewer(monkeypatch) -> None:
    monkeypatch.setenv("LDAE_FEWER_GPUS", "stop")
    with pytest.raises(UserError, match=r"^4 GPUs asked for and 3 on this machine; ask for fewer"):
        launch(plan(8), devices=4, threads=1)


def test_a_training_leases_no_more_than_there_are_examples_for(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        fabric = launch(plan(1), devices=3, threads=1)
    assert fabric.world_size == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "a"
    assert "a step has 1 examples: 2 devices idle" in caplog.text


def test_the_cpu_is_used_where_no_device_is_wanted(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert launch(plan(8), devices=0, threads=1).device == torch.device("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_one_process_trains_where_there_is_no_gpu(monkeypatch, caplog) -> None:
    monkeypatch.setenv("LDAE_GPUS", "")
    fabric = launch(plan(8), devices=2, threads=1)
    assert (fabric.world_size, fabric.device) == (1, torch.device("cpu"))
    assert "2 GPUs asked for and none on this machine: going on with the CPU" in caplog.text
