"""Untrained networks from their settings; for the autoencoder see `models.autoencoder`."""

from torch import nn

from ldae import config
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.unet import NoisePredictor
from ldae.nets.volumetric_encoder import VolumetricEncoder

Shape = tuple[int, int, int]
LatentShape = tuple[int, int, int, int]
SemanticNetwork = SemanticEncoder | VolumetricEncoder | StandardisedEncoder


def build_noise_predictor(network: config.UNet, latent_channels: int) -> NoisePredictor:
    """The latent diffusion model's network, untrained."""
    return NoisePredictor(in_channels=latent_channels, **network.model_dump())


def build_semantic_encoder(encoder: config.Encoder, volume_shape: Shape) -> SemanticNetwork:
    """The semantic encoder for volumes of `volume_shape`, untrained and not yet standardised."""
    form = encoder.model_dump(exclude={"kind", "initialise", "standardise"})
    network = VolumetricEncoder(**form) if encoder.kind == "volume" else SemanticEncoder(**form)
    return StandardisedEncoder(network, volume_shape) if encoder.standardise else network


def representation(semantic_encoder: nn.Module, shifted: ShiftedNoisePredictor) -> nn.ModuleDict:
    """What `models/ldae` holds the trained weights of, under the names they are stored by."""
    return nn.ModuleDict(
        {"semantic_encoder": semantic_encoder, "gradient_estimator": shifted.estimator}
    )
