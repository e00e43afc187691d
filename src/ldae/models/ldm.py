"""A trained latent diffusion model."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ldae import config
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.build import build_noise_predictor
from ldae.models.stored import frozen, stored_key
from ldae.nets.unet import NoisePredictor
from ldae.weights.folder import load_model_config, load_weights


@dataclass(frozen=True)
class LatentDiffusion:
    """A trained latent diffusion model.

    `autoencoder` and `weights` are SHA-256 sums: of the autoencoder's weights and of its own.
    """

    noise_predictor: NoisePredictor
    schedule: NoiseSchedule
    latent_scale: float
    autoencoder: str
    weights: str
    device: torch.device


def load_ldm(folder: Path, *, device: torch.device | None = None) -> LatentDiffusion:
    """Rebuild the latent diffusion model that `train_ldm` wrote to `folder`."""
    stored = load_model_config(folder)
    network = config.UNet.model_validate(stored_key(stored, "network", folder))
    diffusion = config.Diffusion.model_validate(stored_key(stored, "diffusion", folder))
    target = device or torch.device("cpu")
    noise_predictor = build_noise_predictor(network, stored_key(stored, "latent_channels", folder))
    load_weights(folder, noise_predictor)
    return LatentDiffusion(
        noise_predictor=frozen(noise_predictor, target),
        schedule=NoiseSchedule.linear(**diffusion.model_dump()).to(target),
        latent_scale=stored_key(stored, "latent_scale", folder),
        autoencoder=stored_key(stored, "autoencoder", folder),
        weights=stored_key(stored, "weights_sha256", folder),
        device=target,
    )
