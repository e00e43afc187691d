"""Trained models rebuilt from a run's `models/` folder, ready to encode, invert and sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ldae import config
from ldae.diffusion import ddim
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.shift import score_shift
from ldae.errors import UserError
from ldae.nets.autoencoder import Autoencoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.unet import NoisePredictor
from ldae.runtime import pick_device
from ldae.weights.folder import load_model_config, load_weights

Shape = tuple[int, int, int]
LatentShape = tuple[int, int, int, int]
M = TypeVar("M", bound=nn.Module)


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


@dataclass(frozen=True)
class LatentDiffusionAutoencoder:
    """Everything that encodes a scan into (z_T, y_sem) and back; modules are in evaluation mode.

    `z_0` is the scaled posterior mean (B, C, X, Y, Z), `y` the semantic code (B, E). Tensors may
    arrive on any device and leave on `device`. The autoencoder sees volumes one by one: that
    bounds its memory.
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
        means = [self.autoencoder.encode(each.to(self.device))[0] for each in torch.split(x, 1)]
        return torch.cat(means) * self.latent_scale

    @torch.no_grad()
    def to_volume(self, z_0: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) of scaled latents; not bounded to [0, 1]."""
        z = torch.split(z_0.to(self.device) / self.latent_scale, 1)
        return torch.cat([self.autoencoder.decode(each) for each in z])

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


def build_autoencoder(network: config.AutoencoderNetwork) -> Autoencoder:
    """The autoencoder of `network`, untrained; its memory format is the faster one."""
    autoencoder = Autoencoder(**network.model_dump())
    return autoencoder.to(memory_format=torch.channels_last_3d)


def build_noise_predictor(network: config.UNet, latent_channels: int) -> NoisePredictor:
    """The latent diffusion model's network, untrained."""
    return NoisePredictor(in_channels=latent_channels, **network.model_dump())


def build_semantic_encoder(
    encoder: config.SemanticEncoder, volume_shape: Shape
) -> SemanticEncoder | StandardisedEncoder:
    """The semantic encoder for volumes of `volume_shape`, untrained and not yet standardised."""
    network = SemanticEncoder(**encoder.model_dump(exclude={"initialise", "standardise"}))
    return StandardisedEncoder(network, volume_shape) if encoder.standardise else network


def representation(semantic_encoder: nn.Module, shifted: ShiftedNoisePredictor) -> nn.ModuleDict:
    """What `models/ldae` holds the trained weights of, under the names they are stored by."""
    return nn.ModuleDict(
        {"semantic_encoder": semantic_encoder, "gradient_estimator": shifted.estimator}
    )


def load_autoencoder(folder: Path, *, device: torch.device | None = None) -> LatentAutoencoder:
    """Rebuild the autoencoder that `train_autoencoder` wrote to `folder`."""
    stored = load_model_config(folder)
    network = config.AutoencoderNetwork.model_validate(_key(stored, "network", folder))
    target = device or pick_device()
    autoencoder = build_autoencoder(network)
    load_weights(folder, autoencoder)
    volume_shape = _triple(_key(stored, "volume_shape", folder))
    channels, x, y, z = autoencoder.latent_shape(volume_shape)
    return LatentAutoencoder(
        autoencoder=_frozen(autoencoder, target),
        volume_shape=volume_shape,
        spacing_mm=tuple(_key(stored, "spacing_mm", folder)),
        latent_shape=(channels, x, y, z),
        weights=_key(stored, "weights_sha256", folder),
        device=target,
    )


def load_ldm(folder: Path, *, device: torch.device | None = None) -> LatentDiffusion:
    """Rebuild the latent diffusion model that `train_ldm` wrote to `folder`."""
    stored = load_model_config(folder)
    network = config.UNet.model_validate(_key(stored, "network", folder))
    diffusion = config.Diffusion.model_validate(_key(stored, "diffusion", folder))
    target = device or pick_device()
    noise_predictor = build_noise_predictor(network, _key(stored, "latent_channels", folder))
    load_weights(folder, noise_predictor)
    return LatentDiffusion(
        noise_predictor=_frozen(noise_predictor, target),
        schedule=NoiseSchedule.linear(**diffusion.model_dump()).to(target),
        latent_scale=_key(stored, "latent_scale", folder),
        autoencoder=_key(stored, "autoencoder", folder),
        weights=_key(stored, "weights_sha256", folder),
        device=target,
    )


def load_ldae(
    models: Path, *, clip: float | None = None, device: torch.device | None = None
) -> LatentDiffusionAutoencoder:
    """Rebuild the latent diffusion autoencoder from `models`/{autoencoder,ldm,ldae}.

    Args:
        models: folder of the three model folders.
        clip: bound on the predicted clean latent in every DDIM step; None: no bound.
        device: where it shall run; None: the first visible GPU, else the CPU.

    Raises:
        UserError: a folder is incomplete, or was trained over another model than lies beside it.
    """
    latent = load_autoencoder(models / "autoencoder", device=device)
    ldm = load_ldm(models / "ldm", device=latent.device)
    _match(ldm.autoencoder, latent.weights, models / "ldm", models / "autoencoder")
    folder = models / "ldae"
    stored = load_model_config(folder)
    _match(_key(stored, "ldm", folder), ldm.weights, folder, models / "ldm")
    encoder = config.SemanticEncoder.model_validate(_key(stored, "network", folder))
    semantic_encoder = build_semantic_encoder(encoder, latent.volume_shape)
    shifted = ShiftedNoisePredictor(ldm.noise_predictor, encoder.embedding_dim)
    load_weights(folder, representation(semantic_encoder, shifted))
    return LatentDiffusionAutoencoder(
        autoencoder=latent.autoencoder,
        latent_scale=ldm.latent_scale,
        noise_predictor=ldm.noise_predictor,
        shifted=_frozen(shifted, latent.device),
        semantic_encoder=_frozen(semantic_encoder, latent.device),
        schedule=ldm.schedule,
        clip=clip,
        device=latent.device,
        volume_shape=latent.volume_shape,
        spacing_mm=latent.spacing_mm,
        latent_shape=latent.latent_shape,
        embedding_dim=encoder.embedding_dim,
    )


def _frozen(module: M, device: torch.device) -> M:
    return module.eval().requires_grad_(False).to(device)


def _key(stored: dict[str, Any], key: str, folder: Path) -> Any:
    if key not in stored:
        raise UserError(f"{folder / 'config.json'}: no {key!r}; train the model again")
    return stored[key]


def _match(expected: str, found: str, folder: Path, beside: Path) -> None:
    if expected != found:
        raise UserError(
            f"{folder} was trained over another model than {beside} holds (weights "
            f"{expected[:12]}, not {found[:12]}); train it again, or restore the matching folder"
        )


def _triple(values: list[int]) -> Shape:
    x, y, z = values
    return x, y, z
