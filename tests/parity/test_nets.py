"""Our networks against numbers computed by the original implementation."""

import pytest
import torch
from torch import Tensor

from ldae.nets.autoencoder import Autoencoder
from ldae.nets.blocks import Attention, BlockOptions, multi_head_attention, time_embedding
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder, slice_positions
from ldae.training.autoencoding import gaussian_kl
from ldae.weights.folder import load_state
from ldae.weights.original import TRANSLATIONS

NETWORKS, ENCODER, AUTOENCODER = 1e-5, 2e-5, 2e-5  # absolute; float32 on CPU
TOKENS = 1e-6
ANGLES = 999 * 2**-24  # a frequency rounded to float32, at the last timestep


def _close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def nets(oracle) -> dict[str, Tensor]:
    return oracle.arrays("nets")


@torch.no_grad()
def test_noise_predictor(oracle, nets: dict[str, Tensor]) -> None:
    only_shift = ("shift_", "label_emb")
    stored = oracle.state("shift_unet").items()
    state = {key: tensor for key, tensor in stored if not key.startswith(only_shift)}
    network = oracle.unet()
    translation = TRANSLATIONS["noise_predictor"]
    network.load_state_dict(translation.from_original(state, network, source="fixture"))
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


def _gradients(network: ShiftedNoisePredictor, arrays: dict, stage: str) -> None:
    """Compare all gradients by norm; biases before a group norm have rounding for gradients."""
    ours = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
    renamed = TRANSLATIONS["shifted_noise_predictor"].to_original(ours)
    theirs = dict(zip(arrays[f"{stage}/grad_names"], arrays[f"{stage}/grad_norms"], strict=True))
    assert renamed.keys() == theirs.keys()
    for name, norm in theirs.items():
        assert renamed[name].norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-8), name
    whole = {key.removeprefix(f"{stage}/grad/"): array for key, array in arrays.items()}
    for name in renamed.keys() & whole.keys():
        _close(renamed[name], torch.tensor(whole[name]), 1e-4 * float(abs(whole[name]).max()))


def test_gradients(oracle, make_shifted) -> None:
    network, arrays = make_shifted(), oracle.raw("training")
    z_0, y = torch.tensor(arrays["z0"]), torch.tensor(arrays["y_sem"], requires_grad=True)
    t, noise = torch.tensor(arrays["t"][0]), torch.tensor(arrays["noise"][0])
    at_t = {
        name.removeprefix("linear/"): table[t][:, None, None, None, None]
        for name, table in oracle.arrays("schedule").items()
        if name.startswith("linear/")
    }
    z_t = at_t["sqrt_alphas_cumprod"] * z_0 + at_t["sqrt_one_minus_alphas_cumprod"] * noise

    eps, gradient = network(z_t, t, y)
    error = noise - eps - at_t["shift_coef"] * gradient
    loss = (at_t["weight"] * error.square()).mean()
    loss.backward()
    assert loss.item() == pytest.approx(arrays["repr/loss"].item(), abs=1e-6)
    _close(y.grad, torch.tensor(arrays["repr/grad/y_sem"]), 1e-8)
    _gradients(network, arrays, "repr")

    network.estimator.requires_grad_(False)
    loss = (noise - network.base.requires_grad_(True)(z_t, t)).square().mean()
    loss.backward()
    assert loss.item() == pytest.approx(arrays["pretrain/loss"].item(), abs=1e-6)
    _gradients(network, arrays, "pretrain")


@torch.no_grad()
def test_time_embedding(oracle, shifted: ShiftedNoisePredictor, nets: dict[str, Tensor]) -> None:
    schedule = oracle.arrays("schedule")
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
def encoder_arrays(oracle) -> dict[str, Tensor]:
    return oracle.arrays("encoder")


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
    queries = []
    hook = encoder.aggregate.query.register_forward_pre_hook(lambda _, x: queries.append(x[0]))
    _close(encoder.aggregate(encoder_arrays["features"]), encoder_arrays["y_sem"], NETWORKS)
    hook.remove()
    _close(queries[0][:, 0], encoder_arrays["soft_mean"], NETWORKS)


@torch.no_grad()
def test_semantic_encoder(encoder: SemanticEncoder, encoder_arrays: dict[str, Tensor]) -> None:
    volume = encoder_arrays["volume"].permute(0, 1, 3, 4, 2)  # the original keeps slices first
    _close(encoder(volume), encoder_arrays["y_sem"], ENCODER)


@torch.no_grad()
def test_autoencoder(oracle, autoencoder: Autoencoder) -> None:
    arrays = oracle.arrays("aekl")
    mean, std = autoencoder.encode(arrays["x"])
    _close(mean, arrays["mu"], AUTOENCODER)
    _close(std, arrays["sigma"], AUTOENCODER)
    _close(mean + std * arrays["eps"], arrays["z"], AUTOENCODER)
    _close(autoencoder.decode(arrays["z"]), arrays["recon"], AUTOENCODER)
    _close(gaussian_kl(mean, std), arrays["kl"][0], 1e-5 * arrays["kl"].item())
