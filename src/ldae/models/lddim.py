"""A trained latent diffusion model with its autoencoder: the paper's baseline LDDIM."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ldae.diffusion import ddim
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.autoencoder import load_autoencoder
from ldae.models.build import LatentShape, Shape
from ldae.models.ldm import load_ldm
from ldae.models.stored import require_match
from ldae.models.together import together
from ldae.nets.autoencoder import Autoencoder
from ldae.nets.unet import NoisePredictor


@dataclass(frozen=True)
class LatentDiffusionModel:
    """Takes a scan to z_T and back; without a code, y is None. Modules are in evaluation mode.

    `z_0` is the scaled posterior mean (B, C, X, Y, Z). Tensors may arrive on any device and leave
    on `device`. The autoencoder sees no more volumes at once than `together` allows: that bounds
    its memory. `weights` is the SHA-256 of the diffusion model's.
    """

    autoencoder: Autoencoder
    latent_scale: float
    noise_predictor: NoisePredictor
    schedule: NoiseSchedule
    clip: float | None
    device: torch.device
    volume_shape: Shape
    spacing_mm: tuple[float, ...]
    latent_shape: LatentShape
    weights: str

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
        if y is not None:
            raise ValueError("a diffusion model alone does not read a code y")
        return self.noise_predictor


def load_lddim(
    models: Path, *, clip: float | None = None, device: torch.device | None = None
) -> LatentDiffusionModel:
    """Rebuild the latent diffusion model from `models`/{autoencoder,ldm}.

    Args:
        models: folder of the model folders.
        clip: bound on the predicted clean latent in every DDIM step; None: no bound.
        device: where it shall run; None: the CPU.

    Raises:
        UserError: a folder is incomplete, or was trained over another model than lies beside it.
    """
    latent = load_autoencoder(models / "autoencoder", device=device)
    ldm = load_ldm(models / "ldm", device=latent.device)
    require_match(ldm.autoencoder, latent.weights, models / "ldm", models / "autoencoder")
    return LatentDiffusionModel(
        autoencoder=latent.autoencoder,
        latent_scale=ldm.latent_scale,
        noise_predictor=ldm.noise_predictor,
        schedule=ldm.schedule,
        clip=clip,
        device=latent.device,
        volume_shape=latent.volume_shape,
        spacing_mm=latent.spacing_mm,
        latent_shape=latent.latent_shape,
        weights=ldm.weights,
    )
