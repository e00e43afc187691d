"""The autoencoder: untrained, and trained and ready to compress volumes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ldae import config
from ldae.models.build import LatentShape, Shape
from ldae.models.stored import frozen, stored_key, stored_shape
from ldae.nets.autoencoder import Autoencoder
from ldae.weights.folder import load_model_config, load_weights


@dataclass(frozen=True)
class LatentAutoencoder:
    """A trained autoencoder; `latent_shape` is (C, X, Y, Z), `weights` its weights' SHA-256."""

    autoencoder: Autoencoder
    volume_shape: Shape
    spacing_mm: tuple[float, ...]
    latent_shape: LatentShape
    weights: str
    device: torch.device

    @torch.no_grad()
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, C, X, Y, Z) of the latents of volumes (B, 1, X, Y, Z)."""
        mean, std = self.autoencoder.encode(x.to(self.device))
        return mean, std


def build_autoencoder(network: config.AutoencoderNetwork) -> Autoencoder:
    """The autoencoder of `network`, untrained; its memory format is the faster one."""
    autoencoder = Autoencoder(**network.model_dump())
    return autoencoder.to(memory_format=torch.channels_last_3d)


def load_autoencoder(folder: Path, *, device: torch.device | None = None) -> LatentAutoencoder:
    """Rebuild the autoencoder that `train_autoencoder` wrote to `folder`."""
    stored = load_model_config(folder)
    network = config.AutoencoderNetwork.model_validate(stored_key(stored, "network", folder))
    target = device or torch.device("cpu")
    autoencoder = build_autoencoder(network)
    load_weights(folder, autoencoder)
    volume_shape = stored_shape(stored_key(stored, "volume_shape", folder))
    channels, x, y, z = autoencoder.latent_shape(volume_shape)
    return LatentAutoencoder(
        autoencoder=frozen(autoencoder, target),
        volume_shape=volume_shape,
        spacing_mm=tuple(stored_key(stored, "spacing_mm", folder)),
        latent_shape=(channels, x, y, z),
        weights=stored_key(stored, "weights_sha256", folder),
        device=target,
    )
