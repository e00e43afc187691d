"""One optimiser step: gradients from micro-batches, then the update."""

import math
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from ldae.training.batches import Batch


class Step(Protocol):
    """What `fit` drives: checkpoints hold `modules` and `optimisers`, the result is `averaged`."""

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    averaged: nn.Module

    def gradients(self, batches: list[Batch], *, samples_seen: int) -> list[dict[str, Tensor]]:
        """Fill the gradients; gives what to report of each micro-batch, `loss` among it.

        Batches are moved to the device one by one, each when its turn comes.
        """
        ...

    def update(self, rate: float) -> dict[str, float]:
        """Clip and step at `rate` times the learning rate; gives the gradient norms to report.

        Raises:
            FloatingPointError: a norm is not finite; the weights are as before.
        """
        ...


class Trained:
    """A module with the optimiser of its trainable parameters, on the device Fabric chose.

    Its `forward` must compute all that gradients pass through, so that it can be distributed.
    """

    def __init__(
        self, module: nn.Module, *, fabric: Fabric, learning_rate: float, clip_norm: float
    ) -> None:
        self.fabric = fabric
        self.module = module
        self.learning_rate = learning_rate
        self.clip_norm = clip_norm
        parameters = [p for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
        self.forward, self.optimiser = fabric.setup(module, optimiser)

    def backward(self, loss: Tensor, batch: Batch) -> None:
        """Add the gradients of the mean `loss` () of `batch` to those of its step."""
        self.fabric.backward(loss * (batch.share * self.fabric.world_size))  # ranks are averaged

    def accumulating(self, more: bool) -> AbstractContextManager[None]:
        """Around forward and backward: ranks share gradients only where no `more` are to come."""
        return self.fabric.no_backward_sync(self.forward, enabled=more)

    def clip(self) -> float:
        """Clip the gradients' total norm; gives the norm before.

        Raises:
            FloatingPointError: it is not finite.
        """
        clipped = self.fabric.clip_gradients(
            self.forward, self.optimiser, max_norm=self.clip_norm, error_if_nonfinite=False
        )
        norm = 0.0 if clipped is None else float(clipped)
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient norm is {norm}")
        return norm

    def step(self, rate: float) -> None:
        """Step at `rate` times the learning rate and clear the gradients."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * rate
        self.optimiser.step()
        self.optimiser.zero_grad()


class GradientStep:
    """Minimise the mean of the losses (B,) that `objective(**batch)` returns.

    `averaged` is the part of the objective that the training is for.
    """

    def __init__(
        self,
        objective: nn.Module,
        averaged: nn.Module,
        *,
        fabric: Fabric,
        learning_rate: float,
        clip_norm: float,
    ) -> None:
        self.averaged = averaged
        self.trained = Trained(
            objective, fabric=fabric, learning_rate=learning_rate, clip_norm=clip_norm
        )
        self.modules = {"objective": objective}
        self.optimisers = {"objective": self.trained.optimiser}

    def gradients(self, batches: list[Batch], *, samples_seen: int) -> list[dict[str, Tensor]]:
        """The loss of each micro-batch."""
        del samples_seen
        return [{"loss": self._of(batch, more=batch is not batches[-1])} for batch in batches]

    def update(self, rate: float) -> dict[str, float]:
        """One Adam step."""
        norm = self.trained.clip()
        self.trained.step(rate)
        return {"grad_norm": norm}

    def _of(self, batch: Batch, *, more: bool) -> Tensor:
        torch.manual_seed(batch.seed)
        with self.trained.accumulating(more):
            given = batch.to(self.trained.fabric.device).tensors
            loss: Tensor = self.trained.forward(**given).mean()
            self.trained.backward(loss, batch)
        return loss.detach()
