"""DDIM steps of a model: how many it can take, and how many are done."""

from collections.abc import Iterator
from contextlib import contextmanager

from ldae.diffusion.schedule import inference_timesteps
from ldae.errors import UserError
from ldae.models.ldae import LatentDiffusionAutoencoder
from ldae.progress import Tally


class Steps:
    """Watches the noise predictor, which is asked once per step, with a code or without."""

    def __init__(self, networks: LatentDiffusionAutoencoder) -> None:
        self._timesteps = networks.schedule.timesteps
        self._tallies: list[Tally] = []
        networks.noise_predictor.trunk.register_forward_hook(self._step)

    @contextmanager
    def counted(self, name: str, steps: int, *, runs: int = 1) -> Iterator[None]:
        """Say now and then how many of the steps of `runs` inversions or samplings are done.

        Raises:
            UserError: the models cannot take so many, or so few.
        """
        if not 1 <= steps < self._timesteps:
            raise UserError(f"{steps} DDIM steps: these models take 1 to {self._timesteps - 1}")
        calls = len(inference_timesteps(self._timesteps, steps)) - 1
        self._tallies.append(Tally(name, runs * calls, unit="steps"))
        try:
            yield
        finally:
            self._tallies.pop()

    def _step(self, *_: object) -> None:
        if self._tallies:
            self._tallies[-1].add()
