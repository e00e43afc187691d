import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ldae.origin import made_with
from ldae.provenance.record import Record, read_record
from ldae.provenance.recording import recorded
from ldae.runtime import record_path, write_text
from ldae.settings import fingerprint

from .conftest import Slice, Small

DATES = {"started", "ended", "modified"}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def without_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_dates(each) for key, each in value.items() if key not in DATES}
    return value


def records(folder: Path) -> dict[str, Any]:
    found = sorted(folder.rglob(".provenance/*.json"))
    return {
        path.relative_to(folder).as_posix(): without_dates(json.loads(path.read_text()))
        for path in found
    }


def test_a_table_is_told_how_it_was_made(small: Small) -> None:
    table = small.results / "tables/scores.csv"
    record = read_record(table)
    assert (record.sha256, record.size) == (sha256(table), table.stat().st_size)
    assert (record.version, record.commit) == tuple(made_with().values())
    assert (record.stage, record.options) == ("score", {"steps": 20})
    assert record.settings == {"seed": 1}
    assert record.settings_hash == fingerprint(Slice(seed=1))
    index = small.results / "latents/index.parquet"
    assert record.inputs == {"../latents/index.parquet": sha256(index)}
    assert record.environment.packages["numpy"]
    assert not record.files


def test_a_stage_without_settings_says_so(small: Small) -> None:
    record = read_record(small.results / "report/index.html")
    assert record.settings is None
    assert record.settings_hash is None
    assert list(record.inputs) == ["../tables/scores.csv"]


def test_files_of_scans_are_with_the_table_that_lists_them(small: Small) -> None:
    latents = small.results / "latents"
    record = read_record(latents / "index.parquet")
    assert {name: stamp.sha256 for name, stamp in record.files.items()} == {
        path.name: sha256(path) for path in latents.glob("*.npz")
    }
    assert [path.name for path in (latents / ".provenance").iterdir()] == ["index.parquet.json"]


def test_two_runs_leave_the_same_records_but_for_dates(small: Small, tmp_path: Path) -> None:
    again = Small(tmp_path / "elsewhere/again").run()
    assert records(again.results) == records(small.results)
    assert len(records(small.results)) == 3


def test_another_setting_shows_in_what_it_touches_alone(small: Small, tmp_path: Path) -> None:
    other = Small(tmp_path / "other").run()
    other.encode(seed=2)
    here, there = records(small.results), records(other.results)
    assert [name for name in here if here[name] != there[name]] == [
        "latents/.provenance/index.parquet.json"
    ]


def test_what_shared_readers_read_is_an_input(small: Small) -> None:
    small.sample()
    inputs = read_record(small.results / "tables/samples.csv").inputs
    assert inputs == {"../../../weights.pth": sha256(small.folder / "weights.pth")}


def test_an_input_counts_as_it_was_when_it_was_read(tmp_path: Path) -> None:
    source, made = tmp_path / "source.csv", tmp_path / "made.csv"
    source.write_text("before")
    before = sha256(source)
    with recorded("stage", {"source": source, "table": made}):
        write_text(made, source.read_text())
        source.write_text("edited while it ran")
    assert read_record(made).inputs == {"source.csv": before}


def test_a_stage_that_fails_leaves_the_records_as_they_were(small: Small) -> None:
    table = small.results / "tables/scores.csv"
    before = record_path(table).read_bytes()

    def fail() -> None:
        write_text(table, "half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        small.stage("score", fail, table=table)
    assert record_path(table).read_bytes() == before


def test_the_state_of_a_training_and_other_ranks_are_not_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, state = tmp_path / "models/ldm", tmp_path / "state/ldm"
    given = {"model": model, "state": state}
    with recorded("train-ldm", given):
        write_text(state / "checkpoint.pt", "")
        write_text(model / "weights.safetensors", "weights")
        with (model / "weights.safetensors").open("a") as file:
            file.write(", and more")
    assert [path.parent.parent for path in tmp_path.rglob(".provenance/*.json")] == [model]
    assert read_record(model / "weights.safetensors").sha256 == sha256(
        model / "weights.safetensors"
    )
    monkeypatch.setenv("LOCAL_RANK", "1")
    with recorded("train-ldm", given):
        write_text(model / "train.jsonl", "")
    assert not record_path(model / "train.jsonl").exists()


def test_files_of_scans_that_stand_are_not_hashed_again(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(
        "ldae.provenance.record.sha256", lambda path: hashed.append(path.name) or "new"
    )
    index = small.results / "latents/index.parquet"
    kept = read_record(index).files["scan0.npz"]
    os.utime(small.results / "latents/scan2.npz", ns=(1, 1))

    def work() -> None:
        write_text(small.results / "latents/scan1.npz", "new")
        index_bytes = index.read_bytes()
        index.unlink()
        write_text(index, "")
        index.write_bytes(index_bytes)

    small.stage("encode-latents", work, latents=small.results / "latents")
    assert sorted(hashed) == ["index.parquet", "scan1.npz", "scan2.npz"]
    assert read_record(index).files["scan0.npz"] == kept


def test_a_record_reads_back(small: Small) -> None:
    record = read_record(small.results / "latents/index.parquet")
    assert Record.model_validate_json(record.model_dump_json()) == record
