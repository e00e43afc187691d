"""Exponential moving average of the weights that are trained, one update per optimiser step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Averages of a module's trainable parameters; frozen parts are neither copied nor averaged.

    Update n uses the decay min(`decay`, (1 + n) / (10 + n)): early averages forget the start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.updates = 0
        self.shadow = {name: p.detach().clone() for name, p in _trained(module).items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = list(self.shadow.values()), list(_trained(self.module).values())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the module computes with the averages."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state_dict(self) -> dict[str, Any]:
        """Averages and number of updates."""
        return {"updates": self.updates, "shadow": self.shadow}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state whose names must be exactly the module's."""
        if set(state["shadow"]) != set(self.shadow):
            raise ValueError("the stored average belongs to another network")
        self.updates = state["updates"]
        for name, average in self.shadow.items():
            average.copy_(state["shadow"][name])

    def weights(self) -> dict[str, Tensor]:
        """Averages and buffers, on the CPU: the trained part as it should be used."""
        buffers = dict(trained_state(self.module)) | self.shadow
        return {name: tensor.detach().cpu().clone() for name, tensor in buffers.items()}

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in _trained(self.module).items():
            kept = parameter.detach().clone()
            parameter.copy_(self.shadow[name])
            self.shadow[name].copy_(kept)


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """The entries of `module.state_dict()` that training may change: all but frozen parameters."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def load_trained_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Load what `trained_state` gave; the names must be exactly the same."""
    expected = set(trained_state(module))
    if set(state) != expected:
        raise ValueError(f"entries differ: {sorted(set(state) ^ expected)[:5]}")
    module.load_state_dict(state, strict=False)


def _trained(module: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
