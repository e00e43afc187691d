"""What one scan costs in each network when models are evaluated: FLOP of a pass forwards."""

from dataclasses import dataclass

import torch

from ldae import config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.models.dae import build_voxel_noise_predictor
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.training.cost import forward_flops


@dataclass(frozen=True)
class Passes:
    """FLOP per scan: of the autoencoder's two halves, of encoders by model, of a DDIM step."""

    compress: int
    decode: int
    encode: dict[str, int]
    ldm_step: int
    ldae_step: int
    dae_step: int  # 0 without a DAE


def count_passes(settings: config.Results) -> Passes:
    """Build the networks without memory and count."""
    shape = settings.preprocessing.grid.shape
    code = settings.ldae.semantic_encoder.embedding_dim
    with torch.device("meta"):
        autoencoder = build_autoencoder(settings.autoencoder.network).eval()
        latent = autoencoder.latent_shape(shape)
        base = build_noise_predictor(settings.ldm.network, latent[0]).eval()
        shifted = ShiftedNoisePredictor(base, code).eval()
    encode = {
        name: forward_flops(_semantic_encoder(encoder, shape), (1, *shape))
        for name, encoder in settings.trained_encoders.items()
    }
    return Passes(
        compress=forward_flops(autoencoder.encode, (1, *shape)),
        decode=forward_flops(autoencoder.decode, latent),
        encode={name.replace("_", "-"): flops for name, flops in encode.items()},
        ldm_step=forward_flops(base, latent, ()),
        ldae_step=forward_flops(shifted, latent, (), (code,)),
        dae_step=_dae_step(settings.dae, shape) if "dae" in settings.baselines else 0,
    )


def _semantic_encoder(encoder: config.Encoder, shape: tuple[int, int, int]) -> torch.nn.Module:
    with torch.device("meta"):
        return build_semantic_encoder(encoder, shape).eval()


def _dae_step(dae: config.Dae, shape: tuple[int, int, int]) -> int:
    code = dae.semantic_encoder.embedding_dim
    with torch.device("meta"):
        network = build_voxel_noise_predictor(dae.network, code).eval()
    return forward_flops(network, (1, *shape), (), (code,))
