"""The network of a MONAI bundle: the latent diffusion autoencoder as one module."""

from dataclasses import replace
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from ldae import config
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import Shape, build_noise_predictor, build_semantic_encoder
from ldae.models.ldae import LatentDiffusionAutoencoder
from ldae.models.stored import frozen
from ldae.nets.gradient_estimator import ShiftedNoisePredictor


class BundledLdae(nn.Module):
    """Volumes (B, 1, X, Y, Z) in [0, 1] to their reconstructions, in evaluation mode.

    Its state dict holds every weight of the model once.
    """

    def __init__(self, model: LatentDiffusionAutoencoder, *, steps: int) -> None:
        super().__init__()
        self.autoencoder = model.autoencoder
        self.shifted = model.shifted
        self.semantic_encoder = model.semantic_encoder
        self.steps = steps
        self._model = model

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Reconstructions (B, 1, X, Y, Z) in [0, 1], by DDIM in `steps` steps each way."""
        model = self._on(image.device)
        y, z_0 = model.encode(image), model.to_latent(image)
        z_T = model.invert(z_0, y, steps=self.steps)
        return model.to_volume(model.sample(z_T, y, steps=self.steps)).clamp(0, 1)

    def encode(self, image: Tensor) -> Tensor:
        """Semantic codes y_sem (B, E)."""
        return self._on(image.device).encode(image)

    def _on(self, device: torch.device) -> LatentDiffusionAutoencoder:
        return replace(self._model, device=device, schedule=self._model.schedule.to(device))


def bundled_ldae(
    *,
    volume: dict[str, Any],
    autoencoder: dict[str, Any],
    noise_predictor: dict[str, Any],
    semantic_encoder: dict[str, Any],
    diffusion: dict[str, Any],
    sampling: dict[str, Any],
) -> BundledLdae:
    """The network of `configs/inference.json`, whose weights are still to be loaded.

    Args:
        volume: `shape` (X, Y, Z) and `spacing_mm`.
        autoencoder: keywords of its network.
        noise_predictor: keywords of its network.
        semantic_encoder: keywords of its network, with its `kind`.
        diffusion: `timesteps`, `beta_start`, `beta_end`.
        sampling: DDIM `steps` each way, `clip` and `latent_scale`.
    """
    x, y, z = volume["shape"]
    shape: Shape = (x, y, z)
    compressor = build_autoencoder(config.AutoencoderNetwork.model_validate(autoencoder))
    channels = compressor.latent_channels
    encoder: config.Encoder = TypeAdapter(config.Encoder).validate_python(semantic_encoder)
    base = build_noise_predictor(config.UNet.model_validate(noise_predictor), channels)
    cpu = torch.device("cpu")
    model = LatentDiffusionAutoencoder(
        autoencoder=frozen(compressor, cpu),
        latent_scale=sampling["latent_scale"],
        noise_predictor=frozen(base, cpu),
        schedule=NoiseSchedule.linear(**diffusion),
        clip=sampling["clip"],
        device=cpu,
        volume_shape=shape,
        spacing_mm=tuple(volume["spacing_mm"]),
        latent_shape=(channels, *(size // compressor.downsampling for size in shape)),
        weights="",
        shifted=frozen(ShiftedNoisePredictor(base, encoder.embedding_dim), cpu),
        semantic_encoder=frozen(build_semantic_encoder(encoder, shape), cpu),
        embedding_dim=encoder.embedding_dim,
    )
    return BundledLdae(model, steps=sampling["steps"])
