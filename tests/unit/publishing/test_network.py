"""The network of a bundle is built of plain JSON, for either kind of encoder."""

import copy
import json
from typing import Any

import pytest
import torch

from ldae.publishing.network import bundled_ldae

CONFIG: dict[str, Any] = {
    "volume": {"shape": [16, 16, 16], "spacing_mm": [4.0, 4.0, 4.0]},
    "autoencoder": {
        "channels": [4, 8],
        "latent_channels": 2,
        "res_blocks": 1,
        "norm_groups": 2,
        "initial_log_variance": -6.0,
    },
    "noise_predictor": {
        "base_channels": 8,
        "multipliers": [1, 2],
        "res_blocks": 1,
        "attention_at": [2],
        "heads": 1,
        "norm_groups": 4,
        "dropout": 0.1,
        "downsample": [2, 2, 2],
    },
    "diffusion": {"timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02},
    "sampling": {"steps": 2, "clip": None, "latent_scale": 1.5},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "slices": {
        "widths": [8],
        "depths": [2],
        "stochastic_depth": 0.1,
        "pool": [2, 2],
        "embedding_dim": 16,
        "heads": 2,
        "dropout": 0.1,
        "initialise": "random",
        "standardise": True,
    },
    "volume": {
        "widths": [4, 8],
        "depths": [0, 0],
        "norm_groups": 2,
        "pool": [4, 4, 4],
        "embedding_dim": 16,
        "dropout": 0.1,
        "standardise": False,
    },
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_it_reconstructs_encodes_and_copies(kind: str) -> None:
    config = CONFIG | {"semantic_encoder": {"kind": kind, **ENCODERS[kind]}}
    network = bundled_ldae(**json.loads(json.dumps(config)))
    x = torch.rand((2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(1))
    volumes = network(x)
    assert volumes.shape == x.shape
    assert 0 <= volumes.min() <= volumes.max() <= 1
    assert network.encode(x).shape == (2, 16)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        parameter.zero_()
    assert torch.equal(network(x), volumes)  # the copy has networks of its own
    assert not torch.equal(twin(x), volumes)
    state = network.state_dict()
    assert {name.split(".")[0] for name in state} == {"autoencoder", "shifted", "semantic_encoder"}
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)  # each once
