"""What each training needs: GPU memory and work, found from its networks' shapes alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ldae import config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.models.dae import build_voxel_noise_predictor
from ldae.nets.autoencoder import build_discriminator
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.training.cost import Part, activation_bytes, training_flops
from ldae.training.perceptual import SlicePerceptualLoss
from ldae.training.plan import optimiser_steps
from ldae.weights.perceptual import load_lpips

CHECKPOINT_BYTES = 20  # per trained parameter: weight, moments, moving average, the best so far
RECOMPUTING = 4 / 3  # forward, forward again and backward, over forward and backward


@dataclass(frozen=True)
class PlannedTraining:
    """One training, on so many `examples`; memory in bytes."""

    name: str
    parts: Sequence[Part]
    settings: config.Training
    examples: int

    @property
    def parameters(self) -> int:
        """Of all networks, frozen ones too."""
        return sum(part.parameters for part in self.parts)

    @property
    def trained(self) -> int:
        """Parameters that change."""
        return sum(part.trained for part in self.parts)

    @property
    def samples(self) -> int:
        """How many are trained on, over all epochs."""
        steps = optimiser_steps(self.settings, self.examples)
        return steps * self.settings.batch_size * self.settings.accumulate

    @cached_property
    def flops(self) -> float:
        """FLOP per sample, forwards and backwards."""
        again = RECOMPUTING if self.settings.activation_checkpointing else 1
        return again * sum(training_flops(part) for part in self.parts)

    @cached_property
    def memory(self) -> tuple[int, int]:
        """On a GPU, without and with activation checkpointing."""
        batch, precision = self.settings.batch_size, self.settings.precision
        kept = [activation_bytes(part, batch=batch, precision=precision) for part in self.parts]
        state = sum(part.state_bytes for part in self.parts)
        return state + sum(plain for plain, _ in kept), state + sum(less for _, less in kept)

    @property
    def memory_as_set(self) -> int:
        """On a GPU, with activation checkpointing if the settings say so."""
        return self.memory[int(self.settings.activation_checkpointing)]

    @property
    def checkpoint(self) -> int:
        """Size of the file that a training continues from."""
        return CHECKPOINT_BYTES * self.trained


def plan_trainings(settings: config.Results, examples: int) -> list[PlannedTraining]:
    """The trainings of a run in their order, on `examples` scans."""
    volume = (1, *settings.preprocessing.grid.shape)
    with torch.device("meta"):
        autoencoder = build_autoencoder(settings.autoencoder.network).train()
        latent = autoencoder.latent_shape(volume[1:])
        noise_predictor = build_noise_predictor(settings.ldm.network, latent[0]).train()
        critic = settings.autoencoder.discriminator
        discriminator = build_discriminator(channels=critic.channels, layers=critic.layers)
        distance = load_lpips(settings.pretrained)
    losses = settings.autoencoder.loss
    compressing = [Part(autoencoder, [volume, latent], autoencoder.blocks)]
    if losses.adversarial > 0:
        compressing.append(Part(discriminator, [volume], passes=3))
    if losses.perceptual > 0 and distance is not None:
        compressing.append(Part(SlicePerceptualLoss(distance), [volume, volume]))
    predicting = [Part(noise_predictor, [latent, ()], noise_predictor.blocks)]
    parts = {
        "autoencoder": (compressing, settings.autoencoder.training),
        "ldm": (predicting, settings.ldm.training),
        "ldae": (_representation(settings.ldae, settings, latent=latent), settings.ldae.training),
        **dict(_baselines(settings, latent=latent)),
    }
    return [PlannedTraining(name, of, training, examples) for name, (of, training) in parts.items()]


def _baselines(
    settings: config.Results, *, latent: tuple[int, ...]
) -> Iterator[tuple[str, tuple[list[Part], config.Training]]]:
    """Those of the setting `baselines`; diagnosis is counted as if every scan were AD or CN."""
    shape = settings.preprocessing.grid.shape
    if "ldae-volume" in settings.baselines:
        asked = settings.ldae_volume
        yield "ldae-volume", (_representation(asked, settings, latent=latent), asked.training)
    if "dae" in settings.baselines:
        code = settings.dae.semantic_encoder.embedding_dim
        with torch.device("meta"):
            network = build_voxel_noise_predictor(settings.dae.network, code).train()
        parts = [
            _encoder(settings.dae.semantic_encoder, shape),
            Part(network, [(1, *shape), (), (code,)], network.blocks),
        ]
        yield "dae", (parts, settings.dae.training)
    if "supervised" in settings.baselines:
        for name, task in (
            ("supervised-diagnosis", settings.supervised_diagnosis),
            ("supervised-age", settings.supervised_age),
        ):
            yield name, ([_encoder(task.semantic_encoder, shape)], task.training)


def _encoder(encoder: config.Encoder, shape: tuple[int, int, int]) -> Part:
    with torch.device("meta"):
        network = build_semantic_encoder(encoder, shape).train()
    return Part(network, [(1, *shape)], network.blocks)


def _representation(
    ldae: config.Ldae, settings: config.Results, *, latent: tuple[int, ...]
) -> list[Part]:
    """Semantic encoder and gradient estimator, for latents (C, X, Y, Z)."""
    shape, code = settings.preprocessing.grid.shape, ldae.semantic_encoder.embedding_dim
    with torch.device("meta"):
        base = build_noise_predictor(settings.ldm.network, latent[0])
        shifted = ShiftedNoisePredictor(base, code).train()
    return [
        _encoder(ldae.semantic_encoder, shape),
        Part(shifted, [latent, (), (code,)], shifted.blocks),
    ]
