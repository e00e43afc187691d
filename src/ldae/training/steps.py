"""One optimiser step: gradients from micro-batches, then the update."""

from collections.abc import Iterable
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

    def gradients(self, batches: list[Batch], *, samples_seen: int) -> dict[str, float]:
        """Fill the gradients; gives the quantities to report, `loss` among them."""
        ...

    def update(self, rate: float) -> dict[str, float]:
        """Clip and step at `rate` times the learning rate; gives the gradient norms to report."""
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

    def step(self, rate: float) -> float:
        """Clip the gradients' total norm, step, clear them; gives the norm before clipping."""
        norm = self.fabric.clip_gradients(
            self.forward, self.optimiser, max_norm=self.clip_norm, error_if_nonfinite=False
        )
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * rate
        self.optimiser.step()
        self.optimiser.zero_grad()
        return 0.0 if norm is None else float(norm)


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
        self.fabric = fabric
        self.averaged = averaged
        self.trained = Trained(
            objective, fabric=fabric, learning_rate=learning_rate, clip_norm=clip_norm
        )
        self.modules = {"objective": objective}
        self.optimisers = {"objective": self.trained.optimiser}

    def gradients(self, batches: list[Batch], *, samples_seen: int) -> dict[str, float]:
        """Mean loss over all micro-batches."""
        del samples_seen
        losses = []
        for batch in batches:
            loss = self.trained.forward(**batch.tensors).mean()
            self.fabric.backward(loss / len(batches))
            losses.append(loss.detach())
        return {"loss": mean(losses)}

    def update(self, rate: float) -> dict[str, float]:
        """One Adam step."""
        return {"grad_norm": self.trained.step(rate)}


def mean(values: Iterable[Tensor]) -> float:
    """The mean of scalar tensors, as a number."""
    return float(torch.stack(list(values)).mean())
