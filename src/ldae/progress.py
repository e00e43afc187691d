"""Where long work stands, as logs say it: written by a `Tally`, read back by `last_standing`."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PROGRESS_SECONDS = 10.0
PACE_OVER = 64  # the latest items: those found finished at the start soon count no more
TAIL_BYTES = 65_536
# A `Tally`'s line, or a training's: "ldm: step 8 of 80 (10 %), loss 0.9, 13.6 samples/s, …, … left"
LINE = re.compile(
    r"(?P<done>\d+) of (?P<total>\d+)(?: (?P<unit>[a-z -]+))? \(\d+ %\)"
    r"(?:, loss (?P<loss>[^\s,]+))?.*?, "
    r"(?:(?P<days>\d+) days?, )?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d) left$"
)


class Tally:
    """Counts finished items and logs how many, how fast and how long the rest will take.

    It speaks every ten seconds and at the end. The pace is that of the latest items.
    """

    def __init__(
        self,
        name: str,
        total: int,
        *,
        unit: str = "scans",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.total, self.unit, self.clock = name, total, unit, clock
        self.done = 0
        self._said = clock()
        self._marks = deque([(self._said, 0)], maxlen=PACE_OVER + 1)

    def add(self, count: int = 1) -> None:
        """`count` more items are finished."""
        now = self.clock()
        self.done += count
        self._marks.append((now, self.done))
        if now - self._said < PROGRESS_SECONDS and self.done < self.total:
            return
        self._said = now
        (since, before), each = self._marks[0], 0.0
        if self.done > before:
            each = (now - since) / (self.done - before)
        logging.info(
            "%s: %d of %d %s (%.0f %%), %s, %s left",
            self.name,
            self.done,
            self.total,
            self.unit,
            100 * self.done / max(self.total, 1),
            f"{each:.1f} s each" if each >= 1 else f"{1 / max(each, 1e-6):.1f} per s",
            timedelta(seconds=round(each * (self.total - self.done))),
        )

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """`items`, each of which counts as finished when the next one is asked for."""
        for item in items:
            yield item
            self.add()


@dataclass(frozen=True)
class Standing:
    """Where work stood when it last said so; `left` in seconds from then on."""

    done: int
    total: int
    unit: str
    loss: float | None
    left: float


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min` or `15.2 days`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 86400:,.1f} days"


def last_standing(log: Path) -> Standing | None:
    """The latest line of progress in a log; None if there is none."""
    for line in reversed(tail(log)):
        found = LINE.search(line)
        if found:
            return _standing(found)
    return None


def tail(log: Path) -> list[str]:
    """The last lines of a log, of which it may hold millions."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _standing(found: re.Match[str]) -> Standing:
    days, hours, minutes, seconds = (
        int(found[part] or 0) for part in ("days", "hours", "minutes", "seconds")
    )
    return Standing(
        done=int(found["done"]),
        total=int(found["total"]),
        unit=found["unit"] or "steps",
        loss=float(found["loss"]) if found["loss"] else None,
        left=timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds(),
    )
