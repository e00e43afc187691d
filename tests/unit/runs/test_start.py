import fcntl
import json
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.runs.start import is_alive, read_start


def test_a_run_knows_how_it_was_started(run: Path, tmp_path: Path) -> None:
    start = read_start(run)
    assert start.folder == run
    assert start.configuration.run == "demo"
    assert (start.cores, start.gpus) == (2, None)


def test_a_run_is_at_work_while_its_lock_is_held(run: Path) -> None:
    assert is_alive(run) is False
    with (run / "run.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_alive(run) is True
    assert is_alive(run) is False


def test_of_another_machine_nobody_knows(begin) -> None:
    assert is_alive(begin(host="elsewhere")) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("results/dmeo", "there is no such folder; did you mean results/demo?"),
        ("demo", "there is no such folder; did you mean results/demo?"),
        ("nothing/at/all", "there is no such folder; runs here: results/demo"),
        ("results", "no run.json in it"),
    ],
)
def test_what_is_no_run_is_refused_with_what_may_be_meant(
    run: Path, tmp_path: Path, monkeypatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says.replace("?", r"\?")):
        read_start(Path(name))


def test_a_copy_of_a_run_is_not_taken_for_it(run: Path) -> None:
    run.rename(run.with_name("other"))
    with pytest.raises(UserError, match=r"other: its run.json is of the run .*results/demo"):
        read_start(run.with_name("other"))


def test_a_configuration_of_another_version_is_named(begin, configuration) -> None:
    run = begin(configuration=configuration | {"nonsense": 1})
    with pytest.raises(UserError, match=r"configuration\.nonsense: .* another version of ldae"):
        read_start(run)
    (run / "run.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_start(run)
    (run / "run.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="started: Field required"):
        read_start(run)
