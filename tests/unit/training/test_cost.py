"""The forecast against what the original's networks were measured to cost (float32, one sample)."""

import pytest
import torch
from torch import nn

from ldae.config import Config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.settings import load_settings
from ldae.training.cost import Part, activation_bytes, training_flops

LATENT, VOLUME = (3, 16, 20, 16), (1, 128, 160, 128)
MEASURED = {  # parameters, trained ones, TFLOP forwards and backwards, GiB of activations
    "unet": (486_927_363, 486_927_363, 2.83, 0.74),
    "shift-unet": (865_339_142, 378_411_779, 3.15, 0.55),
    "encoder": (53_588_065, 53_588_065, 2.7, 8.5),
    "autoencoder": (13_766_248, 13_766_248, 31.6, 10.2 + 14.2),
}


@pytest.fixture(scope="module")
def parts(project) -> dict[str, Part]:
    """The paper's networks, down-sampled as the original is."""
    paper = load_settings(Config, str(project / "config/config.yaml"))
    network = paper.ldm.network.model_copy(update={"downsample": (1, 2, 2)})
    with torch.device("meta"):
        unet, base = (build_noise_predictor(network, LATENT[0]).train() for _ in range(2))
        shifted = ShiftedNoisePredictor(base, 768).train()
        encoder = build_semantic_encoder(paper.ldae.semantic_encoder, VOLUME[1:]).train()
        autoencoder = build_autoencoder(paper.autoencoder.network).train()
    return {
        "unet": Part(unet, [LATENT, ()], unet.blocks),
        "shift-unet": Part(shifted, [LATENT, (), (768,)], shifted.blocks),
        "encoder": Part(encoder, [VOLUME], encoder.blocks),
        "autoencoder": Part(autoencoder, [VOLUME, LATENT], autoencoder.blocks),
    }


@pytest.mark.parametrize("name", MEASURED)
def test_it_agrees_with_what_was_measured(parts, name) -> None:
    parameters, trained, tflop, gib = MEASURED[name]
    part = parts[name]
    assert (part.parameters, part.trained) == (parameters, trained)
    assert training_flops(part) / 1e12 == pytest.approx(tflop, rel=0.02)
    kept, recomputing = activation_bytes(part, batch=1, precision="32-true")
    assert kept / 2**30 == pytest.approx(gib, rel=0.15)
    assert recomputing < 0.55 * kept


def test_half_precision_keeps_less_and_more_samples_keep_more(parts) -> None:
    full, half, pair = (
        activation_bytes(parts["autoencoder"], batch=batch, precision=precision)[0]
        for batch, precision in [(1, "32-true"), (1, "bf16-mixed"), (2, "32-true")]
    )
    assert half < 0.9 * full
    assert pair == pytest.approx(2 * full, rel=0.01)


def test_memory_for_the_state_counts_what_is_trained() -> None:
    network = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10).requires_grad_(False))
    assert Part(network, []).state_bytes == 110 * (4 + 4 + 8 + 4) + 110 * 4


def test_a_depthwise_convolution_costs_what_it_costs() -> None:
    with torch.device("meta"):
        convolution = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    forwards = 2 * 9 * 8 * 6 * 6
    assert training_flops(Part(convolution, [(8, 6, 6)])) == 3 * forwards
