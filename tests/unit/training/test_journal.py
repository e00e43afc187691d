import json
import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from ldae.training.journal import Journal, mean_record


def test_a_resumed_journal_drops_what_will_be_repeated_and_half_written_lines(
    tmp_path: Path,
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    journal = Journal(path, resumed_at=2)
    journal.write({"step": 3, "loss": 0.5})
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [1, 2, 3]


def events(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Steps and scalars of the one TFRecord file in `folder`."""
    (path,) = folder.iterdir()
    content, found, at = path.read_bytes(), [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        found.append((event.step, {v.tag: v.simple_value for v in event.summary.value}))
        at += length + 16
    return found


def test_tensorboard_gets_the_same_records_also_after_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    first = Journal(path, resumed_at=0)
    for step in (1, 2, 3):
        first.write({"step": step, "samples": 4 * step, "seconds": 0.5, "loss": 1 / step})
    again = Journal(path, resumed_at=2)
    again.write({"step": 3, "samples": 12, "seconds": 1.5, "validation_loss": 0.25})
    assert events(tmp_path / "tensorboard") == [
        (0, {}),
        (1, {"training/loss": 1.0}),
        (2, {"training/loss": 0.5}),
        (3, {"validation/loss": 0.25}),
    ]


def test_a_rank_beside_the_first_writes_nothing(tmp_path: Path) -> None:
    Journal(None, resumed_at=0).write({"step": 1})


def test_means_are_over_the_steps_that_reported_a_quantity() -> None:
    assert mean_record([{"loss": 1.0}, {"loss": 3.0, "late": 5.0}]) == {"loss": 2.0, "late": 5.0}
