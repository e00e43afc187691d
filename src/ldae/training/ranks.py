"""What the ranks of a training tell each other besides gradients; with one rank, nothing."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from lightning.fabric import Fabric
from torch import Tensor, distributed, nn

from ldae.training.ema import trained_state

T = TypeVar("T")


def highest(fabric: Fabric, number: int) -> int:
    """The largest `number` of all ranks."""
    if fabric.world_size == 1:
        return number
    found = torch.tensor(number, device=fabric.device)
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
    return int(found)


def sum_over_ranks(fabric: Fabric, values: Tensor) -> Tensor:
    """The sum of each rank's `values`."""
    if fabric.world_size == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total


def spread(fabric: Fabric, items: Sequence[T], compute: Callable[[T], Tensor]) -> list[Tensor]:
    """`compute` of each of `items`, the work shared among the ranks, the results on all of them."""
    mine = range(fabric.global_rank, len(items), fabric.world_size)
    results = {index: compute(items[index]).cpu() for index in mine}
    everyone = dict(gathered(fabric, results.items()))
    return [everyone[index] for index in range(len(items))]


def gathered(fabric: Fabric, items: Iterable[T]) -> list[T]:
    """The `items` of each rank, rank after rank, on all of them."""
    mine = list(items)
    if fabric.world_size == 1:
        return mine
    everyone: list[list[T]] = [[] for _ in range(fabric.world_size)]
    distributed.all_gather_object(everyone, mine)
    return list(itertools.chain.from_iterable(everyone))


@torch.no_grad()
def start_equal(fabric: Fabric, modules: Iterable[nn.Module]) -> None:
    """Give every rank the first one's weights and buffers; frozen weights are not sent."""
    if fabric.world_size == 1:
        return
    for module in modules:
        for tensor in trained_state(module).values():
            sent = tensor.contiguous()  # it may be in another memory format
            distributed.broadcast(sent, src=0)
            tensor.copy_(sent)
