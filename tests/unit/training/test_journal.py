import json
from pathlib import Path

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


def test_means_are_over_the_steps_that_reported_a_quantity() -> None:
    assert mean_record([{"loss": 1.0}, {"loss": 3.0, "late": 5.0}]) == {"loss": 2.0, "late": 5.0}
