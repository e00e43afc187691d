"""What evaluation asks of a diffusion autoencoder, in latent space or on voxels."""

from typing import Protocol

import torch
from torch import Tensor

from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.build import LatentShape, Shape


class DiffusionAutoencoder(Protocol):
    """Encodes a scan into (z_T, y_sem) and back.

    Volumes are (B, 1, X, Y, Z) in [0, 1], latents (B, *latent_shape), codes y (B, embedding_dim).
    Tensors may arrive on any device and leave on `device`.
    """

    @property
    def schedule(self) -> NoiseSchedule:
        """Of the diffusion it was trained with."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def volume_shape(self) -> Shape:
        """(X, Y, Z)."""

    @property
    def latent_shape(self) -> LatentShape:
        """(C, X, Y, Z) of what is diffused."""

    @property
    def embedding_dim(self) -> int:
        """Length of y_sem."""

    def to_latent(self, x: Tensor) -> Tensor:
        """What is diffused, of volumes."""

    def to_volume(self, z_0: Tensor) -> Tensor:
        """Volumes of what is diffused; not bounded to [0, 1]."""

    def encode(self, x: Tensor) -> Tensor:
        """Semantic codes of volumes."""

    def invert(self, z_0: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Terminal codes z_T by DDIM inversion."""

    def sample(self, z_T: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Clean latents by DDIM sampling."""
