"""Computing activations twice changes nothing but memory and time."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ldae.nets.autoencoder import Autoencoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.recompute import recompute_activations
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.unet import NoisePredictor
from ldae.nets.volumetric_encoder import VolumetricEncoder


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def autoencoder() -> Autoencoder:
    return Autoencoder(
        channels=(8, 16), latent_channels=2, res_blocks=2, norm_groups=4, initial_log_variance=None
    )


def noise_predictor() -> NoisePredictor:
    network = NoisePredictor(
        in_channels=2,
        base_channels=8,
        multipliers=(1, 2),
        res_blocks=1,
        attention_at=(2,),
        heads=1,
        norm_groups=4,
        dropout=0.3,
        downsample=(2, 2, 2),
    )
    nn.init.normal_(network.head.conv.weight)  # at zero no gradient would get further
    return network


def shifted() -> ShiftedNoisePredictor:
    network = ShiftedNoisePredictor(noise_predictor(), 16)
    nn.init.normal_(network.estimator.head.conv.weight)
    return network


def semantic_encoder() -> StandardisedEncoder:
    encoder = SemanticEncoder(
        widths=(8, 16),
        depths=(2, 2),
        stochastic_depth=0.4,
        pool=(1, 1),
        embedding_dim=16,
        heads=2,
        dropout=0.2,
    )
    return StandardisedEncoder(encoder, (16, 16, 8))


def volumetric_encoder() -> StandardisedEncoder:
    encoder = VolumetricEncoder(
        widths=(8, 16),
        depths=(1, 2),
        norm_groups=4,
        pool=(2, 2, 1),
        embedding_dim=16,
        dropout=0.2,
    )
    return StandardisedEncoder(encoder, (16, 16, 8))


Call = Callable[[nn.Module], Tensor]
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Call]] = {
    "autoencoder": (
        autoencoder,
        lambda net: net(random(2, 1, 8, 8, 8), random(2, 2, 4, 4, 4))[0],
    ),
    "noise predictor": (
        noise_predictor,
        lambda net: net(random(2, 2, 4, 4, 4), torch.tensor([3, 7])),
    ),
    "gradient estimator": (
        shifted,
        lambda net: net(random(2, 2, 4, 4, 4), torch.tensor([3, 7]), random(2, 16))[1],
    ),
    "semantic encoder": (semantic_encoder, lambda net: net(random(2, 1, 16, 16, 8))),
    "volumetric encoder": (volumetric_encoder, lambda net: net(random(2, 1, 16, 16, 8))),
}


def bytes_kept(network: nn.Module, call: Call) -> int:
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call(network)
    return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in own)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_the_same_to_the_last_bit(name: str) -> None:
    build, call = NETWORKS[name]
    found = []
    for recomputing in (False, True):
        torch.manual_seed(1)
        network = build().train()
        if recomputing:
            recompute_activations(network.blocks)
        torch.manual_seed(2)  # of dropout and stochastic depth
        output = call(network)
        output.square().sum().backward()
        gradients = [p.grad for p in network.parameters() if p.requires_grad]
        assert all(gradient is not None for gradient in gradients)
        found.append([output, *gradients])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_less_is_kept_for_the_gradients(name: str) -> None:
    build, call = NETWORKS[name]
    plain, recomputing = build().train(), build().train()
    names = list(recomputing.state_dict())
    recompute_activations(recomputing.blocks)
    assert bytes_kept(recomputing, call) < 0.5 * bytes_kept(plain, call)
    assert list(recomputing.state_dict()) == names == list(plain.state_dict())


def test_nothing_is_computed_twice_without_gradients() -> None:
    network = autoencoder().eval()
    calls = []
    network.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    recompute_activations(network.blocks)
    with torch.no_grad():
        NETWORKS["autoencoder"][1](network)
    assert len(calls) == 1
