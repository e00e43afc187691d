import logging

import pytest
import torch

from ldae.config import Training
from ldae.errors import UserError
from ldae.training.fabric import launch


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


def test_more_gpus_than_are_visible_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"2 GPUs were asked for and 1 are visible: lower --dev"):
        launch(plan(8), devices=2, threads=1)


def test_no_rank_is_left_without_examples(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        fabric = launch(plan(1), devices=3, threads=1)
    assert fabric.world_size == 1
    assert "a step has 1 examples: 2 devices idle" in caplog.text
    assert "no GPU is visible: training on the CPU" in caplog.text


def test_the_cpu_is_used_where_no_device_is_wanted(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert launch(plan(8), devices=0, threads=1).device == torch.device("cpu")
