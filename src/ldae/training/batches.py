"""Which examples a step sees and what noise they get: functions of seed and position alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from ldae.runtime import seeded_generator


class Examples(Protocol):
    """A training set whose examples draw all their randomness from the generator they are given."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def name(self, index: int) -> str:
        """How messages call example `index`."""
        ...

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The tensors of one example, without batch axis."""
        ...


@dataclass(frozen=True)
class Batch:
    """Stacked examples (B, ...) and their names."""

    tensors: dict[str, Tensor]
    names: list[str]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        moved = {key: value.to(device, non_blocking=True) for key, value in self.tensors.items()}
        return Batch(moved, self.names)


@dataclass(frozen=True)
class Batches:
    """The endless sequence of seeded shuffles of `examples`, cut into steps of micro-batches."""

    examples: Examples
    batch_size: int
    accumulate: int
    seed: int

    @property
    def samples_per_step(self) -> int:
        """Examples per optimiser step."""
        return self.batch_size * self.accumulate

    def step(self, number: int) -> list[Batch]:
        """The micro-batches of optimiser step `number`."""
        first = number * self.samples_per_step
        return [
            self._batch(range(start, start + self.batch_size))
            for start in range(first, first + self.samples_per_step, self.batch_size)
        ]

    @contextmanager
    def following(self, start: int) -> Iterator[Iterator[list[Batch]]]:
        """The batches of steps `start`, `start` + 1, ...: read while the one before is used."""
        with ThreadPoolExecutor(max_workers=1) as reader:
            yield self._read_ahead(reader, start)

    def _read_ahead(self, reader: ThreadPoolExecutor, number: int) -> Iterator[list[Batch]]:
        ahead = reader.submit(self.step, number)
        while True:
            ready, number = ahead.result(), number + 1
            ahead = reader.submit(self.step, number)
            yield ready

    def _batch(self, positions: range) -> Batch:
        count = len(self.examples)
        indices = [_shuffle(count, self.seed, p // count)[p % count] for p in positions]
        examples = [
            self.examples.example(index, seeded_generator(self.seed, "example", position))
            for index, position in zip(indices, positions, strict=True)
        ]
        return Batch(collate(examples), [self.examples.name(index) for index in indices])


def fixed_batches(examples: Examples, *, batch_size: int, seed: int) -> Iterator[Batch]:
    """All `examples` in their order, with the same noise at every call."""
    for first in range(0, len(examples), batch_size):
        indices = range(first, min(first + batch_size, len(examples)))
        drawn = [
            examples.example(index, seeded_generator(seed, "validation", index))
            for index in indices
        ]
        yield Batch(collate(drawn), [examples.name(index) for index in indices])


def collate(examples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the tensors of `examples` key by key."""
    return {key: torch.stack([example[key] for example in examples]) for key in examples[0]}


@lru_cache(maxsize=2)
def _shuffle(count: int, seed: int, epoch: int) -> list[int]:
    order: list[int] = torch.randperm(
        count, generator=seeded_generator(seed, "order", epoch)
    ).tolist()
    return order
