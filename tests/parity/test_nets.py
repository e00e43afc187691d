"""Our networks against numbers computed by the original implementation.

The fixtures are not part of the project: they are looked for in `shared/parity` beside it.
Their weights are random and non-trivial everywhere, also where a fresh network starts at zero.
"""

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from ldae.nets.autoencoder import Autoencoder
from ldae.nets.blocks import Attention, BlockOptions, multi_head_attention, time_embedding
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder, slice_positions
from ldae.nets.unet import NoisePredictor
from ldae.weights import original
from ldae.weights.folder import load_state

PARITY = Path(__file__).parents[3] / "shared" / "parity"
pytestmark = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no fixtures of the original implementation in {PARITY}"
)

NETWORKS, ENCODER, AUTOENCODER = 1e-5, 2e-5, 2e-5  # absolute; float32 on CPU
TOKENS = 1e-6
ANGLES = 999 * 2**-24  # a frequency rounded to float32, at the last timestep


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fixture_io", PARITY / "fixture_io.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def meta() -> dict:
    return json.loads((PARITY / "fixtures" / "meta.json").read_text())


def _arrays(reader: ModuleType, name: str) -> dict[str, Tensor]:
    arrays = reader.load(PARITY / "fixtures" / f"{name}.npz")
    return {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}


def _state(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def _close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def _base(config: dict) -> NoisePredictor:
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


@pytest.fixture(scope="module")
def nets(reader: ModuleType) -> dict[str, Tensor]:
    return _arrays(reader, "nets")


@pytest.fixture(scope="module")
def shift_state(reader: ModuleType) -> dict[str, Tensor]:
    return _state(reader.load_state(PARITY / "fixtures" / "shift_unet_state.npz"))


@pytest.fixture(scope="module")
def shifted(meta: dict, shift_state: dict[str, Tensor]) -> ShiftedNoisePredictor:
    network = ShiftedNoisePredictor(_base(meta["config"]["unet"]), meta["config"]["latent_dim"])
    load_state(network, original.shifted_noise_predictor(shift_state), source="fixture")
    return network.eval()


@torch.no_grad()
def test_noise_predictor(
    meta: dict, nets: dict[str, Tensor], shift_state: dict[str, Tensor]
) -> None:
    only_shift = ("shift_", "label_emb")
    state = {key: tensor for key, tensor in shift_state.items() if not key.startswith(only_shift)}
    network = _base(meta["config"]["unet"])
    load_state(network, original.noise_predictor(state), source="fixture")
    _close(network.eval()(nets["x"], nets["t"]), nets["unet/eps"], NETWORKS)


@torch.no_grad()
def test_shifted_noise_predictor(shifted: ShiftedNoisePredictor, nets: dict[str, Tensor]) -> None:
    seen = {}
    shifted.base.head.middle.register_forward_hook(
        lambda _, __, output: seen.update({"shift/middle_block": output})
    )
    shifted.estimator.head.middle.register_forward_hook(
        lambda _, __, output: seen.update({"shift/shift_middle_block": output})
    )
    eps, gradient = shifted(nets["x"], nets["t"], nets["y_sem"])
    for name, activation in seen.items():  # magnitudes up to 10, the tolerance is for outputs of 1
        _close(activation[:1], nets[name], NETWORKS * nets[name].abs().max().item())
    _close(eps, nets["shift/eps"], NETWORKS)
    _close(gradient, nets["shift/gradient"], NETWORKS)


def _gradient_norms(network: torch.nn.Module, arrays: dict, stage: str) -> None:
    """Compare all gradients by norm; biases before a group norm have rounding for gradients."""
    ours = {name: p.grad.norm().item() for name, p in network.named_parameters() if p.requires_grad}
    theirs = dict(zip(arrays[f"{stage}/grad_names"], arrays[f"{stage}/grad_norms"], strict=True))
    renamed = original.shifted_noise_predictor({key: torch.ones(1) for key in theirs})
    assert renamed.keys() == ours.keys()
    for name, norm in zip(renamed, theirs.values(), strict=True):
        assert ours[name] == pytest.approx(norm, rel=1e-4, abs=1e-8), name


def test_gradients(reader: ModuleType, meta: dict, shift_state: dict[str, Tensor]) -> None:
    network = ShiftedNoisePredictor(_base(meta["config"]["unet"]), meta["config"]["latent_dim"])
    load_state(network, original.shifted_noise_predictor(shift_state), source="fixture")
    arrays = reader.load(PARITY / "fixtures" / "training.npz")
    z_0, y = torch.tensor(arrays["z0"]), torch.tensor(arrays["y_sem"], requires_grad=True)
    t, noise = torch.tensor(arrays["t"][0]), torch.tensor(arrays["noise"][0])
    tables = _arrays(reader, "schedule")
    at_t = {
        name.removeprefix("linear/"): table[t][:, None, None, None, None]
        for name, table in tables.items()
        if name.startswith("linear/")
    }
    z_t = at_t["sqrt_alphas_cumprod"] * z_0 + at_t["sqrt_one_minus_alphas_cumprod"] * noise

    eps, gradient = network.eval()(z_t, t, y)
    error = noise - eps - at_t["shift_coef"] * gradient
    loss = (at_t["weight"] * error.square()).mean()
    loss.backward()
    assert loss.item() == pytest.approx(arrays["repr/loss"].item(), abs=1e-6)
    _close(y.grad, torch.tensor(arrays["repr/grad/y_sem"]), 1e-8)
    _gradient_norms(network, arrays, "repr")

    network.estimator.requires_grad_(False)
    loss = (noise - network.base.requires_grad_(True)(z_t, t)).square().mean()
    loss.backward()
    assert loss.item() == pytest.approx(arrays["pretrain/loss"].item(), abs=1e-6)
    _gradient_norms(network, arrays, "pretrain")


@torch.no_grad()
def test_time_embedding(
    reader: ModuleType, shifted: ShiftedNoisePredictor, nets: dict[str, Tensor]
) -> None:
    schedule = _arrays(reader, "schedule")
    for dim in (32, 33, 256):
        _close(time_embedding(schedule["temb/t"], dim), schedule[f"temb/{dim}"], ANGLES)
    ours = shifted.base.trunk.time_mlp(time_embedding(nets["t"], 32))
    _close(ours, nets["time_emb"], NETWORKS)


def _legacy_order(projection: Tensor, heads: int) -> Tensor:
    """Rows [q|k|v][head][c] to [head][q|k|v][c]."""
    return projection.unflatten(0, (3, heads, -1)).transpose(0, 1).flatten(0, 2)


def test_attention_of_several_heads(nets: dict[str, Tensor]) -> None:
    qkv = nets["attention/qkv"]
    ours = multi_head_attention(qkv.transpose(1, 2), 2).transpose(1, 2)
    _close(ours, nets["attention/legacy_heads2"], TOKENS)
    reordered = torch.stack([_legacy_order(sample, 2) for sample in qkv])
    ours = multi_head_attention(reordered.transpose(1, 2), 2).transpose(1, 2)
    _close(ours, nets["attention/new_heads2"], TOKENS)


@torch.no_grad()
def test_attention_block(nets: dict[str, Tensor]) -> None:
    options = BlockOptions(embedding_dim=1, norm_groups=32, dropout=0, heads=4, semantic=False)
    block = Attention(32, options=options)
    given = {name: nets[f"attention_block/{name}"] for name in ("norm.weight", "norm.bias")}
    for leaf in ("weight", "bias"):
        projection = nets[f"attention_block/qkv.{leaf}"]
        given[f"qkv.{leaf}"] = _legacy_order(projection.reshape(96, *projection.shape[1:2]), 4)
        given[f"project.{leaf}"] = nets[f"attention_block/proj_out.{leaf}"].squeeze(-1)
    load_state(block, given, source="fixture")
    _close(block(nets["attention_block/x"]), nets["attention_block/y"], NETWORKS)


@pytest.fixture(scope="module")
def encoder_arrays(reader: ModuleType) -> dict[str, Tensor]:
    return _arrays(reader, "encoder")


@pytest.fixture(scope="module")
def encoder(reader: ModuleType, meta: dict) -> SemanticEncoder:
    lines = (PARITY / "fixtures" / "encoder_backbone_listing.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    listing = [(key, tuple(int(size) for size in shape.split(","))) for key, shape in rows]
    backbone = reader.recipe(listing, seed=meta["config"]["seed"])
    assert reader.digest(backbone) == meta["encoder"]["backbone_digest"]
    head = reader.load_state(PARITY / "fixtures" / "encoder_state.npz")
    network = SemanticEncoder(
        widths=(96, 192, 384, 768),
        depths=(3, 3, 9, 3),
        stochastic_depth=0.1,
        pool=(1, 1),
        embedding_dim=768,
        heads=8,
        dropout=0.1,
    )
    load_state(network, original.semantic_encoder(_state(backbone | head)), source="fixture")
    return network.eval()


@torch.no_grad()
def test_slice_encoder(encoder: SemanticEncoder, encoder_arrays: dict[str, Tensor]) -> None:
    slices = encoder_arrays["volume"].transpose(1, 2).flatten(0, 1)  # (B S, 1, H, W)
    features = encoder.slice_encoder(slices)
    _close(features.unflatten(0, (2, -1)), encoder_arrays["features"], ENCODER)


@torch.no_grad()
def test_slice_attention(encoder: SemanticEncoder, encoder_arrays: dict[str, Tensor]) -> None:
    positions = slice_positions(8, 768, torch.device("cpu"))
    _close(positions, encoder_arrays["pe"][0], NETWORKS)
    weights = encoder.aggregate.score(encoder_arrays["features_pe"]).softmax(1).squeeze(-1)
    _close(weights, encoder_arrays["soft_weights"], NETWORKS)
    _close(encoder.aggregate(encoder_arrays["features"]), encoder_arrays["y_sem"], NETWORKS)


@torch.no_grad()
def test_semantic_encoder(encoder: SemanticEncoder, encoder_arrays: dict[str, Tensor]) -> None:
    volume = encoder_arrays["volume"].permute(0, 1, 3, 4, 2)  # the original keeps slices first
    _close(encoder(volume), encoder_arrays["y_sem"], ENCODER)


@torch.no_grad()
def test_autoencoder(reader: ModuleType, meta: dict) -> None:
    config, arrays = meta["config"]["aekl"], _arrays(reader, "aekl")
    network = Autoencoder(
        channels=tuple(config["num_channels"]),
        latent_channels=config["latent_channels"],
        res_blocks=config["num_res_blocks"],
        norm_groups=config["norm_num_groups"],
        initial_log_variance=None,
    )
    state = _state(reader.load_state(PARITY / "fixtures" / "aekl_state.npz"))
    load_state(network, original.autoencoder(state), source="fixture")
    mean, std = network.eval().encode(arrays["x"])
    _close(mean, arrays["mu"], AUTOENCODER)
    _close(std, arrays["sigma"], AUTOENCODER)
    _close(network.decode(arrays["z"]), arrays["recon"], AUTOENCODER)


def _meta_state(name: str) -> dict[str, Tensor]:
    lines = (PARITY / f"keys_{name}.txt").read_text().splitlines()
    rows = [line.split("\t")[:2] for line in lines if line and not line.startswith("#")]
    return {key: torch.empty(ast.literal_eval(shape), device="meta") for key, shape in rows}


@pytest.fixture(scope="module")
def paper() -> dict[str, torch.nn.Module]:
    """The networks at the size of the paper, without memory."""
    with torch.device("meta"):
        base = NoisePredictor(
            in_channels=3,
            base_channels=256,
            multipliers=(1, 2, 3),
            res_blocks=2,
            attention_at=(2, 4),
            heads=1,
            norm_groups=32,
            dropout=0.1,
            downsample=(1, 2, 2),
        )
        return {
            "noise_predictor": base,
            "shifted_noise_predictor": ShiftedNoisePredictor(base, 768),
            "semantic_encoder": SemanticEncoder(
                widths=(96, 192, 384, 768),
                depths=(3, 3, 27, 3),
                stochastic_depth=0.4,
                pool=(1, 1),
                embedding_dim=768,
                heads=8,
                dropout=0.1,
            ),
            "autoencoder": Autoencoder(
                channels=(64, 128, 128, 128),
                latent_channels=3,
                res_blocks=2,
                norm_groups=32,
                initial_log_variance=None,
            ),
        }


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("noise_predictor", 486_927_363),
        ("shifted_noise_predictor", 865_339_142),
        ("semantic_encoder", 53_588_065),
        ("autoencoder", 13_766_248),
    ],
)
def test_parameters_at_paper_size(
    paper: dict[str, torch.nn.Module], name: str, parameters: int
) -> None:
    assert sum(tensor.numel() for tensor in paper[name].parameters()) == parameters


@pytest.mark.parametrize(
    ("checkpoint", "part", "name"),
    [
        ("unet", None, "noise_predictor"),
        ("shift_unet", None, "shifted_noise_predictor"),
        ("encoder", None, "semantic_encoder"),
        ("aekl", None, "autoencoder"),
        ("checkpoint_pretrain", "vae", "autoencoder"),
        ("checkpoint_pretrain", "unet", "noise_predictor"),
        ("checkpoint_pretrain", "ema_unet", "noise_predictor"),
        ("checkpoint_repr_learn", "vae", "autoencoder"),
        ("checkpoint_repr_learn", "decoder", "shifted_noise_predictor"),
        ("checkpoint_repr_learn", "ema_decoder", "shifted_noise_predictor"),
        ("checkpoint_repr_learn", "encoder", "semantic_encoder"),
        ("checkpoint_repr_learn", "ema_encoder", "semantic_encoder"),
    ],
)
def test_adapters_cover_every_key(
    paper: dict[str, torch.nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: str,
    part: str | None,
    name: str,
) -> None:
    monkeypatch.setattr(torch, "equal", lambda *_: True)  # tensors without memory have no values
    state = _meta_state(checkpoint)
    if part is not None:
        state = original.checkpoint_part(state, part)
    load_state(paper[name], getattr(original, name)(state), source=checkpoint)
