"""Training an autoencoder against a discriminator, with no gradient of one in the other."""

from collections.abc import Callable

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from ldae.training.batches import Batch
from ldae.training.steps import Trained

AdversarialLoss = Callable[..., Tensor]  # (scores, target_is_real=, for_discriminator=) -> ()


class AutoencoderObjective(nn.Module):
    """L1, KL and perceptual losses of an autoencoder that gives (reconstruction, mean, std)."""

    def __init__(
        self,
        autoencoder: nn.Module,
        *,
        kl_weight: float,
        perceptual: nn.Module | None,
        perceptual_weight: float,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.perceptual = perceptual
        self.kl_weight = kl_weight
        self.perceptual_weight = perceptual_weight

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Reconstruction of `x` (B, 1, X, Y, Z) with `noise` in the latent, loss and its parts."""
        reconstruction, mean_, std = self.autoencoder(x, noise)
        parts = {"l1": F.l1_loss(reconstruction, x), "kl": gaussian_kl(mean_, std)}
        loss = parts["l1"] + self.kl_weight * parts["kl"]
        if self.perceptual is not None:
            parts["perceptual"] = self.perceptual(reconstruction, x)
            loss = loss + self.perceptual_weight * parts["perceptual"]
        return reconstruction, loss, parts


class AdversarialStep:
    """Autoencoder and discriminator, trained on the same micro-batches.

    The discriminator joins once `adversarial_after` samples have been seen; with weight 0 never.
    """

    def __init__(
        self,
        generator: Trained,
        discriminator: Trained,
        *,
        averaged: nn.Module,
        fabric: Fabric,
        adversarial_loss: AdversarialLoss,
        adversarial_weight: float,
        adversarial_after: int,
    ) -> None:
        self.fabric = fabric
        self.generator = generator
        self.discriminator = discriminator
        self.averaged = averaged
        self.adversarial_loss = adversarial_loss
        self.adversarial_weight = adversarial_weight
        self.adversarial_after = adversarial_after
        self.modules = {"autoencoder": averaged, "discriminator": discriminator.module}
        self.optimisers = {
            "autoencoder": generator.optimiser,
            "discriminator": discriminator.optimiser,
        }
        self._adversarial = False

    def gradients(self, batches: list[Batch], *, samples_seen: int) -> list[dict[str, Tensor]]:
        """Gradients of both; `loss` is the autoencoder's."""
        self._adversarial = self.adversarial_weight > 0 and samples_seen >= self.adversarial_after
        reported = []
        for batch in batches:
            more = batch is not batches[-1]
            torch.manual_seed(batch.seed)
            with self.generator.accumulating(more), self.discriminator.accumulating(more):
                parts = self._of(batch.to(self.fabric.device))
            reported.append({name: value.detach() for name, value in parts.items()})
        return reported

    def update(self, rate: float) -> dict[str, float]:
        """One Adam step of each that has gradients."""
        trained = {"grad_norm": self.generator}
        if self._adversarial:
            trained["discriminator_grad_norm"] = self.discriminator
        norms = {name: each.clip() for name, each in trained.items()}
        for each in trained.values():
            each.step(rate)
        return norms

    def _of(self, batch: Batch) -> dict[str, Tensor]:
        x = batch.tensors["x"]
        fake, loss, parts = self.generator.forward(**batch.tensors)
        if not self._adversarial:
            self.generator.backward(loss, batch)
            return {"loss": loss, **parts}

        critic = self.discriminator.module
        critic.requires_grad_(False)  # its gradients are the discriminator loss's alone
        with self.fabric.autocast():
            fooled = self.adversarial_loss(
                critic(fake)[-1], target_is_real=True, for_discriminator=False
            )
        total = loss + self.adversarial_weight * fooled
        self.generator.backward(total, batch)
        critic.requires_grad_(True)

        told = 0.5 * (
            self._judge(fake.detach(), real=False) + self._judge(x.contiguous(), real=True)
        )
        self.discriminator.backward(self.adversarial_weight * told, batch)
        return {"loss": total, **parts, "adversarial": fooled, "discriminator": told}

    def _judge(self, volumes: Tensor, *, real: bool) -> Tensor:
        scores = self.discriminator.forward(volumes)[-1]
        return self.adversarial_loss(scores, target_is_real=real, for_discriminator=True)


def gaussian_kl(mean_: Tensor, std: Tensor) -> Tensor:
    """KL divergence of N(mean, std^2) from N(0, 1): summed per sample, mean over the batch."""
    return _entries(mean_, std).flatten(1).sum(1).mean()


def channel_kl(mean_: Tensor, std: Tensor) -> Tensor:
    """The same divergence (C,), in nats per value of each channel of a latent (B, C, X, Y, Z)."""
    return _entries(mean_.float(), std.float()).transpose(0, 1).flatten(1).mean(1)


def _entries(mean_: Tensor, std: Tensor) -> Tensor:
    variance = std.square().clamp_min(torch.finfo(std.dtype).tiny)
    return 0.5 * (mean_.square() + variance - variance.log() - 1)
