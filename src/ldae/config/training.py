"""How the networks are trained."""

from typing import Annotated, Literal

from pydantic import Field

from ldae.config.networks import AutoencoderNetwork, Discriminator, SemanticEncoder, UNet
from ldae.config.section import Count, NonNegative, Positive, Section


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


class Ldae(Section):
    semantic_encoder: SemanticEncoder
    snr_exponent: NonNegative  # of the loss weight snr^exponent / (1 + snr)
    training: Training
