"""A trained diffusion autoencoder on voxels (Preechakul et al. 2022, on volumes)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ldae import config
from ldae.diffusion import ddim
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.voxels import from_signed, to_signed
from ldae.models.build import LatentShape, Shape, build_semantic_encoder
from ldae.models.stored import (
    frozen,
    require_kind,
    stored_encoder,
    stored_key,
    stored_shape,
)
from ldae.models.together import together
from ldae.nets.unet import NoisePredictor
from ldae.weights.folder import load_model_config, load_weights


@dataclass(frozen=True)
class VoxelDiffusionAutoencoder:
    """Encodes a scan into (z_T, y_sem) and back without an autoencoder; see `DiffusionAutoencoder`.

    What is diffused are the voxels themselves, on the scale [-1, 1]: a latent is (B, 1, X, Y, Z).
    The network sees no more volumes at once than `together` allows: that bounds its memory.
    `weights` is their SHA-256.
    """

    noise_predictor: NoisePredictor
    semantic_encoder: nn.Module
    schedule: NoiseSchedule
    clip: float | None
    device: torch.device
    volume_shape: Shape
    spacing_mm: tuple[float, ...]
    embedding_dim: int
    weights: str

    @property
    def latent_shape(self) -> LatentShape:
        """(1, X, Y, Z)."""
        return (1, *self.volume_shape)

    def to_latent(self, x: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1], on the scale [-1, 1]."""
        return to_signed(x.to(self.device))

    def to_volume(self, z_0: Tensor) -> Tensor:
        """The other way; not bounded to [0, 1]."""
        return from_signed(z_0.to(self.device))

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Semantic code y_sem (B, E) of volumes (B, 1, X, Y, Z)."""
        y: Tensor = self.semantic_encoder(x.to(self.device))
        return y

    @torch.no_grad()
    def invert(self, z_0: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Terminal code z_T of `z_0` by DDIM inversion.

        Raises:
            ValueError: `y` is None: no part of this model does without.
        """
        walked = [
            ddim.invert(self._eps(code), z, self.schedule, steps=steps, clip=self.clip)
            for z, code in self._in_parts(z_0, y)
        ]
        return torch.cat(walked)

    @torch.no_grad()
    def sample(self, z_T: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Clean voxels z_0 of `z_T` by DDIM sampling.

        Raises:
            ValueError: `y` is None: no part of this model does without.
        """
        walked = [
            ddim.sample(self._eps(code), z, self.schedule, steps=steps, clip=self.clip)
            for z, code in self._in_parts(z_T, y)
        ]
        return torch.cat(walked)

    def _in_parts(self, z: Tensor, y: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        if y is None:
            raise ValueError("a diffusion autoencoder on voxels cannot run without a code y")
        size = together(self.latent_shape)
        latents, codes = (torch.split(each.to(self.device), size) for each in (z, y))
        return zip(latents, codes, strict=True)

    def _eps(self, code: Tensor) -> ddim.EpsFn:
        def conditioned(z: Tensor, t: Tensor) -> Tensor:
            eps: Tensor = self.noise_predictor(z, t, code)
            return eps

        return conditioned


def build_voxel_noise_predictor(network: config.UNet, embedding_dim: int) -> NoisePredictor:
    """The network that reads noisy voxels and a code, untrained."""
    return NoisePredictor(in_channels=1, cond_dim=embedding_dim, **network.model_dump())


def voxel_representation(
    semantic_encoder: nn.Module, noise_predictor: NoisePredictor
) -> nn.ModuleDict:
    """What `models/dae` holds the trained weights of, under the names they are stored by."""
    return nn.ModuleDict({"semantic_encoder": semantic_encoder, "noise_predictor": noise_predictor})


def load_dae(
    models: Path, *, clip: float | None = None, device: torch.device | None = None
) -> VoxelDiffusionAutoencoder:
    """Rebuild the voxel diffusion autoencoder from `models`/dae.

    Args:
        models: folder of the model folders.
        clip: bound on the predicted clean voxels in every DDIM step; None: no bound.
        device: where it shall run; None: the CPU.

    Raises:
        UserError: the folder is incomplete, or holds another kind of model.
    """
    folder = models / "dae"
    stored = load_model_config(folder)
    require_kind(stored, "dae", folder)
    encoder = stored_encoder(stored, folder)
    network = config.UNet.model_validate(stored_key(stored, "noise_predictor", folder))
    diffusion = config.Diffusion.model_validate(stored_key(stored, "diffusion", folder))
    volume_shape = stored_shape(stored_key(stored, "volume_shape", folder))
    target = device or torch.device("cpu")
    semantic_encoder = build_semantic_encoder(encoder, volume_shape)
    noise_predictor = build_voxel_noise_predictor(network, encoder.embedding_dim)
    load_weights(folder, voxel_representation(semantic_encoder, noise_predictor))
    return VoxelDiffusionAutoencoder(
        noise_predictor=frozen(noise_predictor, target),
        semantic_encoder=frozen(semantic_encoder, target),
        schedule=NoiseSchedule.linear(**diffusion.model_dump()).to(target),
        clip=clip,
        device=target,
        volume_shape=volume_shape,
        spacing_mm=tuple(stored_key(stored, "spacing_mm", folder)),
        embedding_dim=encoder.embedding_dim,
        weights=stored_key(stored, "weights_sha256", folder),
    )
