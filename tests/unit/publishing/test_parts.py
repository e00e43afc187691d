"""Model folders leave a run without what only that run, or that machine, can follow."""

import json
from pathlib import Path

import pytest
import torch

from ldae.errors import UserError
from ldae.publishing.parts import publish_models, summary
from ldae.weights.folder import save_model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Folders of three models, of a training that read a file and a folder of weights."""
    config = {
        "inputs": {"../../cohort/scans.parquet": "0"},
        "settings": {
            "seed": 3,
            "pretrained": "/home/someone/weights",
            "brain": {"method": "mask", "masks": "/home/someone/masks"},
        },
        "volume_shape": [16, 16, 16],
        "spacing_mm": [1.5, 1.5, 1.5],
        "network": {"embedding_dim": 8},
    }
    for name in ("autoencoder", "ldm", "ldae"):
        state = {"weight": torch.arange(4.0)}
        save_model(tmp_path / "models" / name, module_state=state, config=config)
    (tmp_path / "models/probes.json").write_text("{}")
    return tmp_path / "models"


def test_weights_keep_their_bytes_and_configurations_lose_the_machine(
    models: Path, tmp_path: Path
) -> None:
    publish_models(models, tmp_path / "out")
    for name in ("autoencoder", "ldm", "ldae"):
        kept = [place / name / "weights.safetensors" for place in (models, tmp_path / "out")]
        assert kept[0].read_bytes() == kept[1].read_bytes()
        stored = json.loads((tmp_path / "out" / name / "config.json").read_text())
        assert stored["settings"] == {"seed": 3, "brain": {"method": "mask"}}
        assert "inputs" not in stored
        assert stored["weights_sha256"]
    assert (tmp_path / "out/probes.json").read_text() == "{}"
    assert not (tmp_path / "out/contract.json").exists()
    assert summary(tmp_path / "out") == summary(models)
    assert summary(models)["embedding_dim"] == 8


def test_a_missing_model_is_named(models: Path, tmp_path: Path) -> None:
    (models / "ldm/config.json").unlink()
    with pytest.raises(UserError, match=r"ldm: no config\.json"):
        publish_models(models, tmp_path / "out")
