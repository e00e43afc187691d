"""What one training example holds, all its randomness drawn from the generator it is given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ldae import config
from ldae.data.latents import LatentSet
from ldae.data.volumes import VolumeSet

GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, fill [0, 1) evenly however many there are


@dataclass(frozen=True)
class VolumeExamples:
    """Volumes for the autoencoder: `x` (1, X, Y, Z) and `noise` of the latent's shape."""

    volumes: VolumeSet
    names: Sequence[str]
    latent_shape: tuple[int, ...]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.volumes)

    def name(self, index: int) -> str:
        """The scan's keys."""
        return self.names[index]

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Volume `index` with noise for its posterior."""
        noise = torch.randn(self.latent_shape, generator=generator)
        return {"x": self.volumes[index][None], "noise": noise}


@dataclass(frozen=True)
class Times:
    """Diffusion times: a `share` of them uniform in `focus`, the others in 0 to `timesteps` - 1.

    `focus` gives the first time and the one after the last. A share of 0 is the uniform
    distribution, and takes from the generator what that takes.
    """

    timesteps: int
    focus: tuple[int, int]
    share: float

    @classmethod
    def uniform(cls, timesteps: int) -> Self:
        """Every time as likely as any other."""
        return cls(timesteps, (0, timesteps), 0.0)

    @classmethod
    def focused(cls, timesteps: int, settings: config.Timesteps) -> Self:
        """As `settings` say in fractions; the focus is one time at least."""
        first, end = (round(part * timesteps) for part in settings.focus)
        first = min(first, timesteps - 1)
        return cls(timesteps, (first, max(end, first + 1)), settings.share)

    def draw(self, generator: torch.Generator) -> Tensor:
        """One time ()."""
        focused = self.share > 0 and float(torch.rand((), generator=generator)) < self.share
        first, end = self.focus if focused else (0, self.timesteps)
        return torch.randint(first, end, (), generator=generator)


@dataclass(frozen=True)
class LatentExamples:
    """Latents for diffusion: `z_0` and `noise` (C, X, Y, Z), `t` ()."""

    latents: LatentSet
    times: Times

    def __len__(self) -> int:
        """How many there are."""
        return len(self.latents)

    def name(self, index: int) -> str:
        """The scan's keys."""
        return str(self.latents.names[index])

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Latent `index` with noise and a time."""
        z_0 = self.latents.draw(index, generator)
        t = self.times.draw(generator)
        return {"z_0": z_0, "noise": torch.randn(z_0.shape, generator=generator), "t": t}


@dataclass(frozen=True)
class PairedExamples:
    """A latent example and the volume `x` (1, X, Y, Z) of the same scan."""

    volumes: VolumeSet
    latents: LatentExamples

    def __len__(self) -> int:
        """How many there are."""
        return len(self.latents)

    def name(self, index: int) -> str:
        """The scan's keys."""
        return self.latents.name(index)

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Scan `index` as volume and latent, with noise and a time."""
        return {"x": self.volumes[index][None], **self.latents.example(index, generator)}


@dataclass(frozen=True)
class VoxelExamples:
    """Volumes for diffusion on voxels: `x` (1, X, Y, Z) in [0, 1], `noise` alike and `t` ()."""

    volumes: VolumeSet
    names: Sequence[str]
    times: Times

    def __len__(self) -> int:
        """How many there are."""
        return len(self.volumes)

    def name(self, index: int) -> str:
        """The scan's keys."""
        return self.names[index]

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Volume `index` with noise and a time."""
        x, t = self.volumes[index][None], self.times.draw(generator)
        return {"x": x, "noise": torch.randn(x.shape, generator=generator), "t": t}


@dataclass(frozen=True)
class LabelledExamples:
    """Volumes for supervised training: `x` (1, X, Y, Z) and a `target` ()."""

    volumes: VolumeSet
    names: Sequence[str]
    targets: Sequence[float]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.volumes)

    def name(self, index: int) -> str:
        """The scan's keys."""
        return self.names[index]

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Volume `index` and its target; nothing is drawn."""
        del generator
        return {"x": self.volumes[index][None], "target": torch.tensor(self.targets[index])}


@dataclass(frozen=True)
class EvenTimes:
    """Each of `examples` at `repeats` times that together cover all noise levels evenly.

    Over few scans a validation loss would otherwise say more of the times drawn than of the model.
    Example i is of scan i modulo the number of scans.
    """

    examples: LatentExamples | VoxelExamples
    repeats: int

    @classmethod
    def covering(cls, examples: LatentExamples | VoxelExamples, *, draws: int) -> Self:
        """Every example as often as it takes to have `draws` of them, at least once."""
        return cls(examples, max(1, math.ceil(draws / max(1, len(examples)))))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.examples) * self.repeats

    def name(self, index: int) -> str:
        """The scan's keys."""
        return self.examples.name(index % len(self.examples))

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Scan `index` modulo their number, at a time that depends on `index` alone."""
        example = self.examples.example(index % len(self.examples), generator)
        t = int(self.examples.times.timesteps * ((index + 0.5) * GOLDEN % 1))
        return {**example, "t": torch.tensor(t)}
