"""What a training says while it runs: records for people and programs, progress in the log."""

import json
import logging
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from ldae.errors import UserError
from ldae.runtime import write_text
from ldae.training.tensorboard import TensorBoard

PROGRESS_SECONDS = 10.0


class Journal:
    """Records in the order of their steps; a resumed training drops those it will repeat.

    They go to `path` and, for TensorBoard, to a folder beside it. Without a path, as on the ranks
    beside the first, nothing is recorded.
    """

    def __init__(self, path: Path | None, *, resumed_at: int) -> None:
        self.path = path
        self._said = time.monotonic()
        if path is None:
            return
        with _writing(path):
            kept = [record for record in _whole_records(path) if record["step"] <= resumed_at]
            write_text(path, "".join(map(_line, kept)))
            self._board = TensorBoard(path.with_name("tensorboard"))
            for record in kept:
                self._board.write(record)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; it must hold `step`."""
        if self.path is None:
            return
        with _writing(self.path):
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(record))
            self._board.write(record)

    def progress(self, *, name: str, step: int, steps: int, loss: float, pace: "Pace") -> None:
        """Log where the training stands, every ten seconds and at the end."""
        if time.monotonic() - self._said < PROGRESS_SECONDS and step < steps:
            return
        self._said = time.monotonic()
        left = timedelta(seconds=round(pace.seconds_per_step(step) * (steps - step)))
        logging.info(
            "%s: step %d of %d (%.0f %%), loss %.4g, %.1f samples/s, %.1f GiB, %s left",
            name,
            step,
            steps,
            100 * step / steps,
            loss,
            pace.samples_per_second(step),
            _peak_gib(),
            left,
        )


class Pace:
    """Speed since this process started training."""

    def __init__(self, *, first_step: int, samples_per_step: int) -> None:
        self.first_step = first_step
        self.samples_per_step = samples_per_step
        self.started = time.monotonic()

    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    def seconds_per_step(self, step: int) -> float:
        """Mean over the steps done here."""
        return self.seconds() / max(step - self.first_step, 1)

    def samples_per_second(self, step: int) -> float:
        """Examples trained on per second of wall time."""
        return self.samples_per_step / max(self.seconds_per_step(step), 1e-9)


def mean_record(window: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each quantity over the steps that reported it."""
    names = dict.fromkeys(name for metrics in window for name in metrics)
    values = {name: [m[name] for m in window if name in m] for name in names}
    return {name: sum(numbers) / len(numbers) for name, numbers in values.items()}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error}); make room, start again") from None


def _peak_gib() -> float:
    """Most memory used so far: of the GPU where it is in use, else of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux


def _whole_records(path: Path) -> Iterable[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # the line a killed process was writing
            return


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"
