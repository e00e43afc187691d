"""Which examples a step sees and what noise they get: functions of seed and position alone.

The examples of a training form one endless sequence, cut into steps. Ranks share each step by
position, so that neither order nor noise depends on how many there are.
"""

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from ldae.runtime import seeded_generator

READERS = min(4, os.cpu_count() or 1)  # threads, and micro-batches read ahead


class Examples(Protocol):
    """A training set whose examples draw all their randomness from the generator they are given."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def name(self, index: int) -> str:
        """How messages call example `index`."""
        ...

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The tensors of one example, without batch axis. Called from several threads."""
        ...


@dataclass(frozen=True)
class Batch:
    """Stacked examples (B, ...), and what a training must know of them.

    Attributes:
        tensors: by name.
        names: of the examples.
        seed: of dropout and whatever else a network draws by itself.
        share: of the optimiser step, in examples.
    """

    tensors: dict[str, Tensor]
    names: list[str]
    seed: int = 0
    share: float = 1.0

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        moved = {key: value.to(device, non_blocking=True) for key, value in self.tensors.items()}
        return replace(self, tensors=moved)


@dataclass(frozen=True)
class Batches:
    """What rank `rank` of `ranks` gets of the endless sequence of seeded shuffles of `examples`.

    A step of `batch_size` times `accumulate` examples is cut into as many stretches as there are
    ranks, and these into micro-batches of at most `batch_size`. Where `ranks` divides `accumulate`
    the micro-batches are the same, with the same dropout, whoever computes them.
    """

    examples: Examples
    batch_size: int
    accumulate: int
    seed: int
    rank: int = 0
    ranks: int = 1

    @property
    def samples_per_step(self) -> int:
        """Examples per optimiser step, of all ranks together."""
        return self.batch_size * self.accumulate

    def before(self, number: int) -> int:
        """Examples that all ranks together have used when step `number` begins."""
        return number * self.samples_per_step

    def step(self, number: int) -> list[Batch]:
        """This rank's micro-batches of optimiser step `number`."""
        return [self._batch(positions) for positions in self._cut(number)]

    @contextmanager
    def following(self, start: int, *, pinned: bool) -> Iterator[Iterator[list[Batch]]]:
        """The batches of steps `start`, `start` + 1, ...: read while those before are used.

        `pinned` puts them where a GPU can fetch them by itself.
        """
        with ThreadPoolExecutor(max_workers=READERS) as readers:
            yield self._read_ahead(start, readers, pinned)

    def _read_ahead(
        self, number: int, readers: ThreadPoolExecutor, pinned: bool
    ) -> Iterator[list[Batch]]:
        ahead = deque[list[Future[Batch]]]()
        while True:
            while len(ahead) < 2 or sum(map(len, ahead)) < READERS:
                cuts = self._cut(number + len(ahead))
                ahead.append([readers.submit(self._batch, cut, pinned=pinned) for cut in cuts])
            yield [future.result() for future in ahead.popleft()]
            number += 1

    def _cut(self, number: int) -> list[range]:
        total = self.samples_per_step
        first, last = (total * rank // self.ranks for rank in (self.rank, self.rank + 1))
        return [
            range(number * total + start, number * total + min(start + self.batch_size, last))
            for start in range(first, last, self.batch_size)
        ]

    def _batch(self, positions: range, *, pinned: bool = False) -> Batch:
        count = len(self.examples)
        indices = [_shuffle(count, self.seed, p // count)[p % count] for p in positions]
        tensors = collate(
            [
                self.examples.example(index, seeded_generator(self.seed, "example", position))
                for index, position in zip(indices, positions, strict=True)
            ]
        )
        return Batch(
            {key: value.pin_memory() for key, value in tensors.items()} if pinned else tensors,
            [self.examples.name(index) for index in indices],
            seed=seeded_generator(self.seed, "dropout", positions.start).initial_seed(),
            share=len(positions) / self.samples_per_step,
        )


@dataclass(frozen=True)
class FixedBatches(Sequence[Batch]):
    """All `examples` in their order, with the same noise at every look."""

    examples: Examples
    batch_size: int
    seed: int

    def __len__(self) -> int:
        """How many batches there are."""
        return math.ceil(len(self.examples) / self.batch_size)

    def __getitem__(self, number: int) -> Batch:  # type: ignore[override]  # no slices
        """Batch `number`; the last one may be smaller."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        first = number * self.batch_size
        indices = range(first, min(first + self.batch_size, len(self.examples)))
        drawn = [
            self.examples.example(index, seeded_generator(self.seed, "validation", index))
            for index in indices
        ]
        return Batch(collate(drawn), [self.examples.name(index) for index in indices])


def collate(examples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the tensors of `examples` key by key."""
    return {key: torch.stack([example[key] for example in examples]) for key in examples[0]}


@lru_cache(maxsize=2)
def _shuffle(count: int, seed: int, epoch: int) -> list[int]:
    order: list[int] = torch.randperm(
        count, generator=seeded_generator(seed, "order", epoch)
    ).tolist()
    return order
