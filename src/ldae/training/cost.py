"""What a network costs to train, found without computing anything: its shapes are enough."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

STATE_BYTES = 20  # per trained parameter: weight, gradient, two moments of Adam, moving average
FROZEN_BYTES = 4


@dataclass(frozen=True)
class Part:
    """A network on the meta device, and the shapes of its inputs without their batch axis."""

    network: nn.Module
    inputs: Sequence[tuple[int, ...]]  # () for timesteps, else of float32
    blocks: Sequence[nn.Module] = ()  # those that activation checkpointing recomputes
    passes: int = 1  # per sample

    @property
    def trained(self) -> int:
        """Number of parameters that are trained."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.network.parameters())

    @property
    def state_bytes(self) -> int:
        """Memory for weights, gradients, optimiser and moving average."""
        return STATE_BYTES * self.trained + FROZEN_BYTES * (self.parameters - self.trained)

    def example(self, batch: int, device: str) -> list[Tensor]:
        """Inputs of zeros, through which gradients pass where they can."""
        return [
            torch.zeros(batch, *shape, device=device, requires_grad=True)
            if shape
            else torch.zeros(batch, dtype=torch.long, device=device)
            for shape in self.inputs
        ]


def training_flops(part: Part) -> int:
    """FLOP of one sample forwards and backwards (2 per multiply-add; frozen parts forwards only).

    Convolutions, linear layers and attention count, as everywhere.
    """
    backward = torch.ops.aten.convolution_backward
    with FlopCounterMode(display=False, custom_mapping={backward: _backward_flops}) as counter:
        output = part.network(*part.example(1, "meta"))
        torch.autograd.backward([each.sum() for each in _tensors(output) if each.requires_grad])
    return part.passes * int(counter.get_total_flops())


def forward_flops(pass_through: Callable[..., Any], *inputs: tuple[int, ...]) -> int:
    """FLOP of one sample forwards, counted likewise; shapes as of a `Part`."""
    example = Part(nn.Module(), inputs).example(1, "meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        pass_through(*[each.detach() for each in example])
    return int(counter.get_total_flops())


@dataclass
class _Kept:
    """Storages that autograd keeps, by where in the network they are needed."""

    by_block: dict[int, dict[int, Tensor]] = field(default_factory=dict)
    inputs: dict[int, Tensor] = field(default_factory=dict)
    block: int = -1  # the one at work; -1: none


def activation_bytes(part: Part, *, batch: int, precision: str) -> tuple[int, int]:
    """What autograd keeps of a batch on a GPU; with activation checkpointing, at its highest."""
    names = [*part.network.named_parameters(), *part.network.named_buffers()]
    with FakeTensorMode(allow_non_fake_inputs=True), ExitStack() as stack:
        state = {name: _like(tensor) for name, tensor in names}
        own = {_key(tensor) for tensor in state.values()}
        kept = stack.enter_context(_keeping(part.blocks, own))
        if precision == "bf16-mixed":
            stack.enter_context(_autocast())
        functional_call(part.network, state, tuple(part.example(batch, "cuda")))
    within = {block: _size(storages) for block, storages in kept.by_block.items()}
    outside = within.pop(-1, 0)
    boundaries = _size(kept.inputs | kept.by_block.get(-1, {}))
    return outside + sum(within.values()), boundaries + max(within.values(), default=0)


@contextmanager
def _keeping(blocks: Sequence[nn.Module], own: set[int]) -> Iterator[_Kept]:
    kept = _Kept()

    def enter(number: int, inputs: tuple[Any, ...]) -> None:
        kept.block = number
        kept.inputs |= {_key(tensor): tensor for tensor in _tensors(inputs)}

    def leave(*_: Any) -> None:
        kept.block = -1

    def keep(tensor: Tensor) -> Tensor:
        if _key(tensor) not in own:
            kept.by_block.setdefault(kept.block, {})[_key(tensor)] = tensor
        return tensor

    with ExitStack() as stack:
        for number, block in enumerate(blocks):
            hook = block.register_forward_pre_hook(
                lambda _, inputs, number=number: enter(number, inputs)
            )
            stack.callback(hook.remove)
            stack.callback(block.register_forward_hook(leave).remove)
        stack.enter_context(saved_tensors_hooks(keep, lambda tensor: tensor))
        yield kept


@contextmanager
def _autocast() -> Iterator[None]:
    """As `torch.autocast("cuda")`, which does nothing on a machine without a GPU."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def _backward_flops(grad: list[int], x: list[int], weight: list[int], *rest: Any, **_: Any) -> int:
    """Of `convolution_backward`: torch's own count takes depthwise convolutions for full ones."""
    del x
    wanted = rest[-1]  # gradients of input, of weight, of bias
    return 2 * prod(grad) * prod(weight[1:]) * (int(wanted[0]) + int(wanted[1]))


def _like(tensor: Tensor) -> Tensor:
    return torch.empty_strided(
        tensor.shape,
        tensor.stride(),
        dtype=tensor.dtype,
        device="cuda",
        requires_grad=tensor.requires_grad,
    )


def _tensors(output: Any) -> list[Tensor]:
    found = [output] if isinstance(output, Tensor) else list(output)
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _size(storages: dict[int, Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())
