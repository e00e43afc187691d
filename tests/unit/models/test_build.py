"""Semantic encoders of both kinds: from settings, into a folder, and back."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ldae import config
from ldae.config import Config
from ldae.models.build import build_semantic_encoder
from ldae.models.stored import stored_encoder
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.volumetric_encoder import VolumetricEncoder
from ldae.settings import load_settings
from ldae.weights.folder import load_model_config, load_weights, save_model

SHAPE = (16, 16, 16)
COMMON = {"embedding_dim": 6, "dropout": 0.0, "standardise": True}
SLICES = config.SemanticEncoder(
    widths=(8,), depths=(2,), stochastic_depth=0.0, pool=(1, 1), heads=2, initialise="random",
    **COMMON,
)  # fmt: skip
VOLUME = config.VolumetricEncoder(
    kind="volume", widths=(4, 8), depths=(0, 1), norm_groups=2, pool=(2, 2, 2), **COMMON
)
KINDS = {"slices": (SLICES, SemanticEncoder), "volume": (VOLUME, VolumetricEncoder)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("standardise", [True, False])
def test_an_encoder_comes_back_from_its_folder(
    kind: str, standardise: bool, tmp_path: Path
) -> None:
    form, network_class = KINDS[kind]
    form = form.model_copy(update={"standardise": standardise})
    torch.manual_seed(0)
    network = build_semantic_encoder(form, SHAPE).eval()
    assert isinstance(network, StandardisedEncoder) is standardise
    inner = network.encoder if isinstance(network, StandardisedEncoder) else network
    assert type(inner) is network_class
    if isinstance(network, StandardisedEncoder):
        network.standardise([torch.rand(SHAPE) for _ in range(8)])
    save_model(
        tmp_path / "model",
        module_state=network.state_dict(),
        config={"network": form.model_dump(mode="json")},
    )
    stored = stored_encoder(load_model_config(tmp_path / "model"), tmp_path / "model")
    assert stored == form
    torch.manual_seed(1)
    again = build_semantic_encoder(stored, SHAPE).eval()
    load_weights(tmp_path / "model", again)
    x = torch.rand(2, 1, *SHAPE)
    with torch.no_grad():
        assert torch.equal(network(x), again(x))


def test_an_encoder_stored_without_a_kind_goes_by_slices(tmp_path: Path) -> None:
    older = {"network": SLICES.model_dump(mode="json", exclude={"kind"})}
    assert stored_encoder(older, tmp_path) == SLICES


def test_settings_say_which_kind() -> None:
    training = {
        "batch_size": 1, "accumulate": 1, "learning_rate": 1, "warmup_steps": 0,
        "schedule": "constant", "clip_norm": 1, "ema_decay": 0,
        "budget": {"amount": 1, "unit": "epochs"}, "validate_every": 1, "patience": None,
        "precision": "32-true", "activation_checkpointing": False,
    }  # fmt: skip
    for form in (SLICES, VOLUME):
        ldae = config.Ldae.model_validate(
            {
                "semantic_encoder": form.model_dump(mode="json"),
                "snr_exponent": 0.1,
                "timesteps": {"focus": [0, 1], "share": 0},
                "training": training,
            }
        )
        assert ldae.semantic_encoder == form


def test_the_volumetric_encoder_runs_at_the_size_of_the_paper(project: Path) -> None:
    paper = load_settings(Config, str(project / "config/config.yaml"))
    form, shape = paper.ldae_volume.semantic_encoder, paper.preprocessing.grid.shape
    assert form.kind == "volume"
    assert paper.ldae.semantic_encoder.kind == "slices"
    with torch.device("meta"):
        network: nn.Module = build_semantic_encoder(form, shape).train()
        x = torch.empty(2, 1, *shape)
    y_sem = network(x)
    assert y_sem.shape == (2, 768)
    y_sem.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    convolutions = 27 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
    residual = 27 * (64**2 + 2 * 128**2 + 2 * 256**2)
    linear = 256 * 4 * 5 * 4 * 768
    assert parameters == pytest.approx(convolutions + residual + linear, rel=0.001)
