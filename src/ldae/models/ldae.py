"""A trained latent diffusion autoencoder, ready to encode, invert and sample."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ldae.diffusion import ddim
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.shift import score_shift
from ldae.models.autoencoder import LatentShape, load_autoencoder
from ldae.models.build import Shape, build_semantic_encoder, representation
from ldae.models.ldm import load_ldm
from ldae.models.stored import frozen, require_match, stored_encoder, stored_key
from ldae.models.together import together
from ldae.nets.autoencoder import Autoencoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.unet import NoisePredictor
from ldae.weights.folder import load_model_config, load_weights


@dataclass(frozen=True)
class LatentDiffusionAutoencoder:
    """Everything that encodes a scan into (z_T, y_sem) and back; modules are in evaluation mode.

    `z_0` is the scaled posterior mean (B, C, X, Y, Z), `y` the semantic code (B, E). Tensors may
    arrive on any device and leave on `device`. The autoencoder sees no more volumes at once than
    `together` allows: that bounds its memory.
    """

    autoencoder: Autoencoder
    latent_scale: float
    noise_predictor: NoisePredictor
    shifted: ShiftedNoisePredictor
    semantic_encoder: nn.Module
    schedule: NoiseSchedule
    clip: float | None
    device: torch.device
    volume_shape: Shape
    spacing_mm: tuple[float, ...]
    latent_shape: LatentShape
    embedding_dim: int

    @torch.no_grad()
    def to_latent(self, x: Tensor) -> Tensor:
        """Scaled posterior mean z_0 of volumes (B, 1, X, Y, Z) in [0, 1]."""
        parts = torch.split(x, together(self.volume_shape))
        means = [self.autoencoder.encode(part.to(self.device))[0] for part in parts]
        return torch.cat(means) * self.latent_scale

    @torch.no_grad()
    def to_volume(self, z_0: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) of scaled latents; not bounded to [0, 1]."""
        z = torch.split(z_0.to(self.device) / self.latent_scale, together(self.volume_shape))
        return torch.cat([self.autoencoder.decode(part) for part in z])

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Semantic code y_sem (B, E) of volumes (B, 1, X, Y, Z)."""
        y: Tensor = self.semantic_encoder(x.to(self.device))
        return y

    @torch.no_grad()
    def invert(self, z_0: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Terminal code z_T of `z_0` by DDIM inversion; `y` None: the diffusion model alone."""
        return ddim.invert(
            self._eps(y), z_0.to(self.device), self.schedule, steps=steps, clip=self.clip
        )

    @torch.no_grad()
    def sample(self, z_T: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Clean latent z_0 of `z_T` by DDIM sampling; `y` None: the diffusion model alone."""
        return ddim.sample(
            self._eps(y), z_T.to(self.device), self.schedule, steps=steps, clip=self.clip
        )

    def _eps(self, y: Tensor | None) -> ddim.EpsFn:
        if y is None:
            return self.noise_predictor
        code = y.to(self.device)

        def shifted_eps(z: Tensor, t: Tensor) -> Tensor:
            eps, gradient = self.shifted(z, t, code)
            shifted: Tensor = eps + score_shift(self.schedule, t, like=z) * gradient
            return shifted

        return shifted_eps


def load_ldae(
    models: Path,
    *,
    name: str = "ldae",
    clip: float | None = None,
    device: torch.device | None = None,
) -> LatentDiffusionAutoencoder:
    """Rebuild a latent diffusion autoencoder from `models`/{autoencoder,ldm} and `models`/`name`.

    Args:
        models: folder of the three model folders.
        name: `ldae`, the paper's, or `ldae-volume`, whose encoder sees whole volumes.
        clip: bound on the predicted clean latent in every DDIM step; None: no bound.
        device: where it shall run; None: the first visible GPU, else the CPU.

    Raises:
        UserError: a folder is incomplete, or was trained over another model than lies beside it.
    """
    latent = load_autoencoder(models / "autoencoder", device=device)
    ldm = load_ldm(models / "ldm", device=latent.device)
    require_match(ldm.autoencoder, latent.weights, models / "ldm", models / "autoencoder")
    folder = models / name
    stored = load_model_config(folder)
    require_match(stored_key(stored, "ldm", folder), ldm.weights, folder, models / "ldm")
    encoder = stored_encoder(stored, folder)
    semantic_encoder = build_semantic_encoder(encoder, latent.volume_shape)
    shifted = ShiftedNoisePredictor(ldm.noise_predictor, encoder.embedding_dim)
    load_weights(folder, representation(semantic_encoder, shifted))
    return LatentDiffusionAutoencoder(
        autoencoder=latent.autoencoder,
        latent_scale=ldm.latent_scale,
        noise_predictor=ldm.noise_predictor,
        shifted=frozen(shifted, latent.device),
        semantic_encoder=frozen(semantic_encoder, latent.device),
        schedule=ldm.schedule,
        clip=clip,
        device=latent.device,
        volume_shape=latent.volume_shape,
        spacing_mm=latent.spacing_mm,
        latent_shape=latent.latent_shape,
        embedding_dim=encoder.embedding_dim,
    )
