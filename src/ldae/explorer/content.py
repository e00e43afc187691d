"""What the page holds of a subject: facts as JSON, volumes and pictures as text beside it.

A volume or picture is named where it is shown, and stands in `blobs` under that name.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Reading:
    """What linear probes read: the probability of AD, and the age in years."""

    probability: float
    age: float


@dataclass(frozen=True)
class Figure:
    """One figure of quality as written; `beyond` the study's bounds, or not."""

    label: str
    value: str
    bounds: str
    beyond: bool


@dataclass(frozen=True)
class Session:
    """One session, as preprocessing and the models left it.

    Attributes:
        excluded: why no model reads it; None where they do.
        picture: name of the picture preprocessing left, if it did.
        original, reconstruction: names of volumes; only of test scans that are shown.
        read: from the code of the scan.
    """

    session_id: str
    months: int | None
    age: float | None
    diagnosis: str | None
    excluded: str | None
    figures: Sequence[Figure]
    picture: str | None
    original: str | None = None
    reconstruction: str | None = None
    read: Reading | None = None


@dataclass(frozen=True)
class Step:
    """One position of a slider: where, the volume there, what is read from it encoded again.

    `at` is a strength, a month, or the number of a sample.
    """

    at: float
    volume: str
    read: Reading | None = None


@dataclass(frozen=True)
class Direction:
    """A slider along a direction of the code."""

    label: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Interpolation:
    """A slider from the first to the last of `sessions`, which are at `months`."""

    sessions: Sequence[str]
    months: Sequence[int]
    steps: Sequence[Step]


@dataclass(frozen=True)
class Subject:
    """The page of one subject; `blobs` are the volumes and pictures its parts name."""

    participant_id: str
    sex: str | None
    split: str | None
    sessions: Sequence[Session]
    directions: Sequence[Direction] = ()
    interpolation: Interpolation | None = None
    samples: Sequence[Step] = ()
    blobs: dict[str, str] = field(default_factory=dict)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Everything but the blobs."""
        facts = asdict(self)
        del facts["blobs"]
        return facts

    @cached_property
    def size(self) -> int:
        """Bytes that it takes of the page."""
        held = sum(len(name) + len(text) + 60 for name, text in self.blobs.items())
        return held + len(json.dumps(self.facts))

    @property
    def has_volumes(self) -> bool:
        """Whether there is something for the viewers."""
        return any(session.original for session in self.sessions)
