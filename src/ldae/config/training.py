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
    unit: Literal["samples", "epochs"]


class Training(Section):
    batch_size: Count  # per device and micro-batch
    accumulate: Count  # micro-batches per optimiser step
    learning_rate: Positive
    warmup_steps: Annotated[int, Field(ge=0)]
    schedule: Literal["constant", "cosine"]
    clip_norm: Positive
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    budget: Budget
    validate_every: Count  # optimiser steps
    patience: Count | None  # validations without improvement before stopping; null: never
    precision: Literal["32-true", "bf16-mixed"]
    activation_checkpointing: bool  # compute activations twice instead of keeping them


class AutoencoderLoss(Section):
    kl: NonNegative
    perceptual: NonNegative
    adversarial: NonNegative
    adversarial_after: Annotated[int, Field(ge=0)]  # samples seen before the discriminator joins


class Autoencoder(Section):
    network: AutoencoderNetwork
    discriminator: Discriminator
    loss: AutoencoderLoss
    training: Training


class Latents(Section):
    use: Literal["mean", "sample"]  # what diffusion training reads of the stored posterior


class Diffusion(Section):
    timesteps: Count
    beta_start: Positive
    beta_end: Positive


class Ldm(Section):
    network: UNet
    training: Training


class Timesteps(Section):
    focus: tuple[Fraction, Fraction]  # of the diffusion time: from, up to
    share: Fraction  # of the examples that get a time in the focus; the others get any

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.focus[0] >= self.focus[1]:
            raise ValueError(f"focus: {self.focus[0]} to {self.focus[1]} is empty")
        return self


class Ldae(Section):
    semantic_encoder: Encoder
    snr_exponent: NonNegative  # of the loss weight snr^exponent / (1 + snr)
    timesteps: Timesteps
    training: Training


class Dae(Section):
    network: UNet
    semantic_encoder: Encoder
    training: Training


class Supervised(Section):
    semantic_encoder: Encoder
    training: Training


class SupervisedDiagnosis(Supervised):
    watch: Literal["loss", "mcc"]  # of validation: what decides the best weights and patience


class SupervisedAge(Supervised):
    watch: Literal["loss", "mae"]
