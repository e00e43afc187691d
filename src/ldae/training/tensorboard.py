"""The journal once more, as TensorBoard reads it: `tensorboard --logdir results/RUN/state`."""

import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

AXES = ("step", "samples", "seconds")


class TensorBoard:
    """One event file in `folder`, written anew by every process that trains."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        self._writer = EventsWriter(str(folder / "events"))
        self._started = time.time()

    def write(self, record: dict[str, Any]) -> None:
        """Append a record of the journal: its numbers at its step."""
        values = [
            Summary.Value(tag=_tag(name), simple_value=value)
            for name, value in record.items()
            if name not in AXES
        ]
        when = self._started + record.get("seconds", 0.0)
        event = Event(wall_time=when, step=record["step"], summary=Summary(value=values))
        self._writer.write_event(event)
        self._writer.flush()


def _tag(name: str) -> str:
    kind = "validation" if name.startswith("validation_") else "training"
    return f"{kind}/{name.removeprefix('validation_')}"
