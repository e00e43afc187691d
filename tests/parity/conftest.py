"""What the original implementation computed, from random weights that are non-trivial everywhere.

The fixtures are not part of the project: they are looked for in `shared/parity` beside it.
"""

import ast
import importlib.util
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ldae import config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.nets.autoencoder import Autoencoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder, slice_positions
from ldae.nets.unet import NoisePredictor
from ldae.settings import load_settings
from ldae.weights.original import TRANSLATIONS

PARITY = Path(__file__).parents[3] / "shared" / "parity"


class Oracle:
    """The fixtures: arrays, weights, and lists of the original's keys at the paper's size."""

    @cached_property
    def reader(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("fixture_io", PARITY / "fixture_io.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @cached_property
    def meta(self) -> dict[str, Any]:
        return json.loads((PARITY / "fixtures" / "meta.json").read_text())

    def arrays(self, name: str) -> dict[str, Tensor]:
        """The numeric arrays of a file, as tensors."""
        return {
            key: torch.from_numpy(np.array(array))
            for key, array in self.raw(name).items()
            if array.dtype.kind in "fi"
        }

    def raw(self, name: str) -> dict[str, np.ndarray]:
        return self.reader.load(PARITY / "fixtures" / f"{name}.npz")

    def state(self, name: str) -> dict[str, Tensor]:
        """Weights in the original's names."""
        stored = self.reader.load_state(PARITY / "fixtures" / f"{name}_state.npz")
        return {key: torch.from_numpy(array) for key, array in stored.items()}

    @cached_property
    def encoder(self) -> dict[str, Tensor]:
        """The encoder's weights; its backbone is made anew, by the fixtures' recipe."""
        lines = (PARITY / "fixtures" / "encoder_backbone_listing.txt").read_text().splitlines()
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        listing = [(key, tuple(int(size) for size in shape.split(","))) for key, shape in rows]
        backbone = self.reader.recipe(listing, seed=self.meta["config"]["seed"])
        assert self.reader.digest(backbone) == self.meta["encoder"]["backbone_digest"]
        made = {key: torch.from_numpy(array) for key, array in backbone.items()}
        return made | self.state("encoder")

    def keys(self, name: str) -> dict[str, Tensor]:
        """A state dict of the paper's size: names and shapes, without memory (stride 0)."""
        lines = (PARITY / f"keys_{name}.txt").read_text().splitlines()
        rows = [line.split("\t")[:2] for line in lines if line and not line.startswith("#")]
        state = {key: torch.zeros(()).expand(ast.literal_eval(shape)) for key, shape in rows}
        for key in (key for key in state if key.endswith("positional_encoding.pe")):
            state[key] = slice_positions(*state[key].shape[1:], torch.device("cpu"))[None]
        return state

    def unet(self) -> NoisePredictor:
        config = self.meta["config"]["unet"]
        return NoisePredictor(
            in_channels=config["input_channel"],
            base_channels=config["base_channel"],
            multipliers=tuple(config["channel_multiplier"]),
            res_blocks=config["num_residual_blocks_of_a_block"],
            attention_at=tuple(config["attention_resolutions"]),
            heads=config["num_heads"],
            norm_groups=32,
            dropout=config["dropout"],
            downsample=(1, 2, 2),
        )


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    if not PARITY.is_dir():
        pytest.skip(f"no fixtures of the original implementation in {PARITY}")
    return Oracle()


@pytest.fixture(scope="session")
def make_shifted(oracle: Oracle) -> Callable[[], ShiftedNoisePredictor]:
    """Makes the shifted noise predictor with the fixtures' weights, in evaluation mode."""
    state = oracle.state("shift_unet")

    def make() -> ShiftedNoisePredictor:
        network = ShiftedNoisePredictor(oracle.unet(), oracle.meta["config"]["latent_dim"])
        translation = TRANSLATIONS["shifted_noise_predictor"]
        network.load_state_dict(translation.from_original(state, network, source="fixture"))
        return network.eval()

    return make


@pytest.fixture(scope="session")
def shifted(make_shifted: Callable[[], ShiftedNoisePredictor]) -> ShiftedNoisePredictor:
    """The same, shared by tests that do not change it."""
    return make_shifted()


@pytest.fixture(scope="session")
def encoder(oracle: Oracle) -> SemanticEncoder:
    network = SemanticEncoder(
        widths=(96, 192, 384, 768),
        depths=(3, 3, 9, 3),
        stochastic_depth=0.1,
        pool=(1, 1),
        embedding_dim=768,
        heads=8,
        dropout=0.1,
    )
    translation = TRANSLATIONS["semantic_encoder"]
    network.load_state_dict(translation.from_original(oracle.encoder, network, source="fixture"))
    return network.eval()


@pytest.fixture(scope="session")
def autoencoder(oracle: Oracle) -> Autoencoder:
    config = oracle.meta["config"]["aekl"]
    network = Autoencoder(
        channels=tuple(config["num_channels"]),
        latent_channels=config["latent_channels"],
        res_blocks=config["num_res_blocks"],
        norm_groups=config["norm_num_groups"],
        initial_log_variance=None,
    )
    state = oracle.state("aekl")
    translation = TRANSLATIONS["autoencoder"]
    network.load_state_dict(translation.from_original(state, network, source="fixture"))
    return network.eval()


@pytest.fixture(scope="session")
def paper(project: Path) -> dict[str, nn.Module]:
    """The networks of config/original.yaml, without memory."""
    files = [str(project / "config" / f"{name}.yaml") for name in ("config", "original")]
    settings = load_settings(config.Results, *files)
    with torch.device("meta"):
        base = build_noise_predictor(
            settings.ldm.network, settings.autoencoder.network.latent_channels
        )
        encoder = settings.ldae.semantic_encoder
        return {
            "autoencoder": build_autoencoder(settings.autoencoder.network),
            "noise_predictor": base,
            "shifted_noise_predictor": ShiftedNoisePredictor(base, encoder.embedding_dim),
            "semantic_encoder": build_semantic_encoder(encoder, settings.preprocessing.grid.shape),
        }
