"""What `ldae verify` says of a small run after something was done to it by hand."""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ldae import cli
from ldae.config import Results
from ldae.provenance.run import GATHERED
from ldae.runtime import record_path
from ldae.stages.write_provenance import write_provenance

from .conftest import Small

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(small: Small, capsys: pytest.CaptureFixture[str]) -> Say:
    """Exit status and lines of `ldae verify`."""

    def call(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["verify", str(small.results), *words])
        return int(str(ended.value.code)), capsys.readouterr().out

    return call


def files(lines: str, kind: str) -> list[str]:
    return [line.split()[1].rstrip(":") for line in lines.splitlines() if line.startswith(kind)]


def edit(path: Path, before: bytes, after: bytes) -> None:
    """Change bytes as a person would, the time of the file with them."""
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))


def test_a_run_that_nobody_touched_is_well(say: Say) -> None:
    status, lines = say()
    assert status == 0
    assert "3 files and 3 of single scans (by size and time) are as they were made" in lines
    assert say("--full")[0] == 0


def test_a_changed_cell_is_told_by_name_with_what_was_made_from_it(say: Say, small: Small) -> None:
    edit(small.results / "tables/scores.csv", b"scan1.npz,1,0.25", b"scan1.npz,1,0.95")
    status, lines = say()
    assert status == 1
    assert files(lines, "changed") == ["tables/scores.csv"]
    assert "made by score on 20" in lines
    assert files(lines, "stale") == ["report/index.html"]
    assert not files(lines, "missing")


def test_a_truncated_file_is_told_with_both_sizes(say: Say, small: Small) -> None:
    table = small.results / "tables/scores.csv"
    size = table.stat().st_size
    os.truncate(table, 5)
    status, lines = say()
    assert status == 1
    assert f"changed  tables/scores.csv: 5 bytes, {size} when made by score" in lines


def test_a_deleted_file_is_missing_and_makes_nothing_stale(say: Say, small: Small) -> None:
    (small.results / "tables/scores.csv").unlink()
    status, lines = say()
    assert status == 1
    assert files(lines, "missing") == ["tables/scores.csv"]
    assert not files(lines, "stale")


def test_what_was_made_from_an_older_file_is_stale(say: Say, small: Small) -> None:
    (small.folder / "scans.csv").write_text("scan\n1\n2\n")
    status, lines = say()
    assert status == 1
    assert files(lines, "stale") == [
        "latents/index.parquet",
        "report/index.html",
        "tables/scores.csv",
    ]
    assert "latents/index.parquet: ../../scans.csv was changed since" in lines
    assert "report/index.html: tables/scores.csv is stale" in lines


def test_a_table_made_again_leaves_what_is_made_from_it_stale(say: Say, small: Small) -> None:
    def work() -> None:
        table.parent.joinpath("new").write_text("file,score\n")
        table.parent.joinpath("new").replace(table)

    table = small.results / "tables/scores.csv"
    small.score()
    assert say()[0] == 0, "the same bytes again are no change"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ldae.tables.files.pd.DataFrame.to_csv", _shorter)
        small.score()
    status, lines = say()
    assert status == 1
    assert not files(lines, "changed")
    assert "stale    report/index.html: tables/scores.csv was made again since" in lines


def _shorter(frame: object, path: Path, **options: object) -> None:
    path.write_text("file\n")


def test_a_file_of_a_scan_is_told_and_what_was_made_from_it(say: Say, small: Small) -> None:
    latent = small.results / "latents/scan1.npz"
    latent.write_bytes(latent.read_bytes() + b"!")
    (small.results / "latents/scan2.npz").unlink()
    status, lines = say()
    assert status == 1
    assert files(lines, "changed") == ["latents/scan1.npz"]
    assert files(lines, "missing") == ["latents/scan2.npz"]
    assert lines.count("UTC, listed by latents/index.parquet") == 2
    assert files(lines, "stale") == ["report/index.html", "tables/scores.csv"]


def test_a_file_of_a_scan_that_is_gone_makes_nothing_stale(say: Say, small: Small) -> None:
    (small.results / "latents/scan2.npz").unlink()
    status, lines = say()
    assert status == 1
    assert files(lines, "missing") == ["latents/scan2.npz"]
    assert not files(lines, "stale")


def test_inputs_that_went_are_said_and_are_no_fault(
    say: Say, small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    (small.folder / "scans.csv").unlink()
    with caplog.at_level("INFO"):
        assert say()[0] == 0
    assert "1 inputs from outside are not here" in caplog.text


def test_a_copied_run_is_well_though_all_times_are_new(say: Say, small: Small) -> None:
    moved = small.folder / "copy"
    shutil.copytree(small.results, moved, copy_function=shutil.copyfile)
    shutil.rmtree(small.results)
    shutil.copytree(moved, small.results, copy_function=shutil.copyfile)
    assert say()[0] == 0


@pytest.mark.parametrize("elsewhere", ["tables", "latents"])
def test_a_folder_on_another_disk_is_looked_at(say: Say, small: Small, elsewhere: str) -> None:
    folder = small.results / elsewhere
    folder.rename(small.folder / "disk")
    folder.symlink_to(small.folder / "disk")
    (folder / "again").symlink_to(folder)  # round in a circle
    status, lines = say()
    assert status == 0
    assert "3 files and 3 of single scans" in lines
    edit(small.results / "tables/scores.csv", b"scan1", b"scan9")
    assert files(say()[1], "changed") == ["tables/scores.csv"]


def test_of_a_run_at_work_it_is_said(
    say: Say, small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    start = small.results / "run.json"
    start.write_text(json.dumps({"host": socket.gethostname()}))
    assert say()[0] == 0
    assert "at work" not in caplog.text
    with start.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        say()
    assert "the run is at work: what its jobs are making shows as changed" in caplog.text


def test_only_a_full_look_finds_a_change_under_the_same_size_and_time(
    say: Say, small: Small
) -> None:
    latent = small.results / "latents/scan1.npz"
    status = latent.stat()
    content = bytearray(latent.read_bytes())
    content[-1] ^= 1
    latent.write_bytes(content)
    os.utime(latent, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert say()[0] == 0
    status_full, lines = say("--full")
    assert status_full == 1
    assert files(lines, "changed") == ["latents/scan1.npz"]


def test_a_record_that_was_tampered_with_is_told(say: Say, small: Small) -> None:
    record_path(small.results / "tables/scores.csv").write_text("{}")
    status, lines = say()
    assert status == 1
    assert files(lines, "changed") == ["tables/scores.csv"]
    assert "cannot be read as a record" in lines


@pytest.mark.parametrize("words", [["no/such/run"], [], ["--nonsense"]])
def test_errors_of_its_own_end_with_two(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", *words])
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("ldae verify: ")
    assert "\n" not in said


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        cli.main(["verify", str(tmp_path / "empty")])


def test_many_changes_are_counted_not_listed(say: Say, small: Small) -> None:
    latents = small.results / "latents"
    record = json.loads(record_path(latents / "index.parquet").read_text())
    one = record["files"]["scan0.npz"]
    record["files"] |= {f"gone{number:03d}.npz": one for number in range(60)}
    record_path(latents / "index.parquet").write_text(json.dumps(record))
    status, lines = say()
    assert status == 1
    assert len(files(lines, "missing")) == 41
    assert "missing  and 20 more" in lines
    assert "60 missing" in lines


class TestTheGatheredRecord:
    """`provenance.json`, written last."""

    @pytest.fixture(autouse=True)
    def gathered(self, small: Small, demo: Results) -> None:
        settings = demo

        def work() -> None:
            write_provenance(run=small.results, settings=settings)

        small.stage("write-provenance", work, run=small.results, settings=settings)

    def test_says_of_each_file_how_it_was_made(self, small: Small) -> None:
        content = json.loads((small.results / GATHERED).read_text())
        assert sorted(content["files"]) == [
            "latents/index.parquet",
            "report/index.html",
            "tables/scores.csv",
        ]
        entry = content["files"]["tables/scores.csv"]
        assert content["slices"][entry["settings_hash"]] == {"seed": 1}
        assert "numpy" in content["environments"][entry["environment"]]["packages"]
        index = content["files"]["latents/index.parquet"]
        assert entry["inputs"] == {"latents/index.parquet": index["sha256"]}
        assert index["of_scans"]["files"] == 3
        assert content["settings"]["run"] == "demo"

    def test_does_not_disturb(self, say: Say) -> None:
        status, lines = say()
        assert status == 0
        assert "4 files" in lines

    def test_knows_of_files_that_went_with_their_records(self, say: Say, small: Small) -> None:
        shutil.rmtree(small.results / "tables")
        status, lines = say()
        assert status == 1
        assert files(lines, "missing") == ["tables/scores.csv"]

    def test_is_stale_when_a_stage_ran_since(self, say: Say, small: Small) -> None:
        small.encode(seed=2)
        status, lines = say()
        assert status == 1
        assert files(lines, "stale") == [GATHERED, "report/index.html", "tables/scores.csv"]
        assert f"{GATHERED}: latents/index.parquet is another now" in lines

    def test_is_told_when_it_was_edited(self, say: Say, small: Small) -> None:
        edit(small.results / GATHERED, b'"seed": 1', b'"seed": 2')
        assert files(say()[1], "changed") == [GATHERED]

    def test_is_told_when_it_was_cut(self, say: Say, small: Small) -> None:
        os.truncate(small.results / GATHERED, 9)
        status, lines = say()
        assert status == 1
        assert files(lines, "changed") == [GATHERED]

    def test_is_told_when_it_is_gone(self, say: Say, small: Small) -> None:
        (small.results / GATHERED).unlink()
        assert files(say()[1], "missing") == [GATHERED]
