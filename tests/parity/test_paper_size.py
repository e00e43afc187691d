"""The networks at the size of the paper: as many parameters as the original's, and they run.

Forward and backward passes are on the meta device, which has shapes and no memory; those of the
shifted U-Net, which holds the plain one, are repeated with numbers, marked slow (6 GB).
"""

import copy

import pytest
import torch
from torch import Tensor, nn

from ldae.nets.autoencoder import build_discriminator

LATENT, VOLUME = (1, 3, 16, 20, 16), (1, 1, 128, 160, 128)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("noise_predictor", 486_927_363),
        ("shifted_noise_predictor", 865_339_142),
        ("semantic_encoder", 53_588_065),
        ("autoencoder", 13_766_248),
    ],
)
def test_parameters(paper: dict[str, nn.Module], name: str, parameters: int) -> None:
    assert sum(tensor.numel() for tensor in paper[name].parameters()) == parameters


def test_parameters_of_parts(paper: dict[str, nn.Module]) -> None:
    def count(*modules: nn.Module) -> int:
        return sum(tensor.numel() for module in modules for tensor in module.parameters())

    autoencoder = paper["autoencoder"].network
    to_latent = (autoencoder.encoder, autoencoder.quant_conv_mu, autoencoder.quant_conv_log_sigma)
    assert count(*to_latent) == 6_551_259
    assert count(autoencoder.post_quant_conv, autoencoder.decoder) == 7_214_989
    assert count(paper["shifted_noise_predictor"].estimator) == 378_411_779
    assert count(paper["semantic_encoder"].aggregate) == 4_136_449


def _backward(network: nn.Module, loss: Tensor) -> None:
    """Every weight that trains gets a gradient, and no other does."""
    loss.backward()
    with_gradient = {name for name, p in network.named_parameters() if p.grad is not None}
    assert with_gradient == {name for name, p in network.named_parameters() if p.requires_grad}
    network.zero_grad(set_to_none=True)


def _latent(device: str) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator(device).manual_seed(0) if device != "meta" else None
    z, y = (torch.randn(shape, device=device, generator=generator) for shape in (LATENT, (1, 768)))
    return z, torch.full((1,), 500, device=device), y


def test_the_noise_predictor_runs(paper: dict[str, nn.Module]) -> None:
    z, t, _ = _latent("meta")
    network = paper["noise_predictor"].requires_grad_(True)
    eps = network(z, t)
    assert eps.shape == LATENT
    _backward(network, eps.square().mean())


def test_the_shifted_noise_predictor_runs(paper: dict[str, nn.Module]) -> None:
    z, t, y = _latent("meta")
    network = paper["shifted_noise_predictor"].train()
    network.base.requires_grad_(False)
    eps, gradient = network(z, t, y)
    assert eps.shape == gradient.shape == LATENT
    _backward(network, (eps - gradient).square().mean())


def test_the_semantic_encoder_runs(paper: dict[str, nn.Module]) -> None:
    network = paper["semantic_encoder"].train()
    y_sem = network(torch.empty(VOLUME, device="meta"))
    assert y_sem.shape == (1, 768)
    _backward(network, y_sem.square().mean())


def test_the_autoencoder_and_its_discriminator_run(paper: dict[str, nn.Module]) -> None:
    network = paper["autoencoder"].train()
    noise, _, _ = _latent("meta")
    reconstruction, mean, std = network(torch.empty(VOLUME, device="meta"), noise)
    assert (reconstruction.shape, mean.shape, std.shape) == (VOLUME, LATENT, LATENT)
    _backward(network, reconstruction.abs().mean() + mean.square().sum() + std.sum())
    with torch.device("meta"):
        critic = build_discriminator(channels=64, layers=3)
    _backward(critic, critic(torch.empty(VOLUME, device="meta"))[-1].square().mean())


@pytest.mark.slow
def test_numbers_pass_through(paper: dict[str, nn.Module]) -> None:
    network = copy.deepcopy(paper["shifted_noise_predictor"]).to_empty(device="cpu").train()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.02)
    z, t, y = _latent("cpu")
    network.base.requires_grad_(False)
    eps, gradient = network(z, t, y)
    for values in (eps, gradient):
        assert values.isfinite().all()
        assert values.any()
    _backward(network, (eps - gradient).square().mean())
