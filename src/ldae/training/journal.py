"""What a training says while it runs: one JSON line per record, and a progress line in the log."""

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROGRESS_SECONDS = 10.0


class Journal:
    """Records in the order of their steps; a resumed training drops those it will repeat."""

    def __init__(self, path: Path, *, resumed_at: int) -> None:
        self.path = path
        self._said = time.monotonic()
        kept = [record for record in _whole_records(path) if record["step"] <= resumed_at]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(map(_line, kept)), encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; it must hold `step`."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(record))

    def progress(self, *, name: str, step: int, steps: int, loss: float, pace: "Pace") -> None:
        """Log where the training stands, every ten seconds and at the end."""
        if time.monotonic() - self._said < PROGRESS_SECONDS and step < steps:
            return
        self._said = time.monotonic()
        left = pace.seconds_per_step(step) * (steps - step)
        logging.info(
            "%s: step %d of %d (%.0f %%), loss %.4g, %.1f samples/s, %d:%02d left",
            name,
            step,
            steps,
            100 * step / steps,
            loss,
            pace.samples_per_second(step),
            *divmod(round(left), 60),
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
