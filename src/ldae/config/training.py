"""How the networks are trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.networks import (
    AutoencoderNetwork,
    Discriminator,
    Encoder,
    UNet,
)
from ldae.config.section import Count, Fraction, NonNegative, Positive, Section


class Budget(Section):
    amount: Positive
    """How much."""
    unit: Literal["samples", "epochs"]
    """Of what."""


class Training(Section):
    batch_size: Count
    """Scans per device and micro-batch."""
    accumulate: Count
    """Micro-batches per optimiser step, shared by the GPUs."""
    learning_rate: Positive
    """Highest learning rate."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """Optimiser steps until it is reached."""
    schedule: Literal["constant", "cosine"]
    """What follows: it stays, or falls to 0 as a cosine."""
    clip_norm: Positive
    """Largest norm of a gradient."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay per optimiser step of the averaged weights that are kept; 0: none."""
    budget: Budget
    """How long to train."""
    validate_every: Count
    """Optimiser steps between validations."""
    patience: Count | None
    """Validations without improvement before stopping; null: never."""
    precision: Literal["32-true", "bf16-mixed"]
    """Of the arithmetic; `bf16-mixed` is bfloat16 autocast."""
    activation_checkpointing: bool
    """Compute activations twice instead of keeping them: less memory, a third slower."""


class AutoencoderLoss(Section):
    kl: NonNegative
    """Weight of the posterior's divergence from a standard normal."""
    perceptual: NonNegative
    """Weight of the perceptual loss."""
    adversarial: NonNegative
    """Weight of the adversarial loss, least squares."""
    adversarial_after: Annotated[int, Field(ge=0)]
    """Samples seen before the discriminator joins."""


class Autoencoder(Section):
    network: AutoencoderNetwork
    """The autoencoder."""
    discriminator: Discriminator
    """The discriminator of patches."""
    loss: AutoencoderLoss
    """Weights beside L1."""
    training: Training
    """Training of both."""


class Latents(Section):
    use: Literal["mean", "sample"]
    """`mean` of the stored posterior, or a `sample` drawn at every use."""


class Diffusion(Section):
    timesteps: Count
    """Steps T of the diffusion."""
    beta_start: Positive
    """Variance added in the first step."""
    beta_end: Positive
    """Variance added in the last step."""

    @model_validator(mode="after")
    def _noise_grows(self) -> Self:
        if not self.beta_start <= self.beta_end < 1:
            raise ValueError(
                f"beta_end: {self.beta_end} should lie between beta_start: {self.beta_start} and 1"
            )
        return self


class Ldm(Section):
    network: UNet
    """The noise predictor."""
    training: Training
    """Its training."""


class Timesteps(Section):
    focus: tuple[Fraction, Fraction]
    """From and up to which part of the diffusion time, 0 to 1."""
    share: Fraction
    """Part of the examples that get a time in the focus; the others get any."""

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.focus[0] >= self.focus[1]:
            raise ValueError(f"focus: {self.focus[0]} to {self.focus[1]} is empty")
        return self


class Ldae(Section):
    semantic_encoder: Encoder
    """The encoder of y_sem."""
    snr_exponent: NonNegative
    """Exponent e of the loss weight snr^e / (1 + snr)."""
    timesteps: Timesteps
    """Times drawn while training."""
    training: Training
    """Training of encoder and gradient estimator."""


class Dae(Section):
    network: UNet
    """The noise predictor on voxels."""
    semantic_encoder: Encoder
    """The encoder of y_sem."""
    training: Training
    """Training of both."""


class Supervised(Section):
    semantic_encoder: Encoder
    """The encoder below the linear head."""
    training: Training
    """Training of both."""


class SupervisedDiagnosis(Supervised):
    watch: Literal["loss", "mcc"]
    """Figure of validation, or its loss, that decides early stopping and the weights kept."""


class SupervisedAge(Supervised):
    watch: Literal["loss", "mae"]
    """Figure of validation, or its loss, that decides early stopping and the weights kept."""
