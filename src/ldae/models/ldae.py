"""A trained latent diffusion autoencoder, ready to encode, invert and sample."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ldae.diffusion import ddim
from ldae.diffusion.shift import score_shift
from ldae.models.build import build_semantic_encoder, representation
from ldae.models.lddim import LatentDiffusionModel, load_lddim
from ldae.models.stored import frozen, require_match, stored_encoder, stored_key
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.weights.folder import load_model_config, load_weights


@dataclass(frozen=True)
class LatentDiffusionAutoencoder(LatentDiffusionModel):
    """Everything that encodes a scan into (z_T, y_sem) and back; modules are in evaluation mode.

    The code `y` is (B, E); None: the diffusion model alone, with the same z_0 and z_T.
    """

    shifted: ShiftedNoisePredictor
    semantic_encoder: nn.Module
    embedding_dim: int

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Semantic code y_sem (B, E) of volumes (B, 1, X, Y, Z)."""
        y: Tensor = self.semantic_encoder(x.to(self.device))
        return y

    def _eps(self, y: Tensor | None) -> ddim.EpsFn:
        if y is None:
            return super()._eps(None)
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
        device: where it shall run; None: the CPU.

    Raises:
        UserError: a folder is incomplete, or was trained over another model than lies beside it.
    """
    alone = load_lddim(models, clip=clip, device=device)
    folder = models / name
    stored = load_model_config(folder)
    require_match(stored_key(stored, "ldm", folder), alone.weights, folder, models / "ldm")
    encoder = stored_encoder(stored, folder)
    semantic_encoder = build_semantic_encoder(encoder, alone.volume_shape)
    shifted = ShiftedNoisePredictor(alone.noise_predictor, encoder.embedding_dim)
    load_weights(folder, representation(semantic_encoder, shifted))
    return LatentDiffusionAutoencoder(
        **vars(alone),
        shifted=frozen(shifted, alone.device),
        semantic_encoder=frozen(semantic_encoder, alone.device),
        embedding_dim=encoder.embedding_dim,
    )
