import re
from pathlib import Path

import pytest

from ldae import cli
from ldae.commands import SINGLE_SCAN, UPKEEP, WORKFLOW


def test_every_subcommand_has_its_stage(project: Path) -> None:
    named = {name.replace("-", "_") for name in WORKFLOW | SINGLE_SCAN | UPKEEP}
    stages = {path.stem for path in (project / "src/ldae/stages").glob("[!_]*.py")}
    assert named == stages


def test_every_rule_calls_a_stage(project: Path) -> None:
    rules = "".join(path.read_text() for path in (project / "workflow/rules").glob("*.smk"))
    called = set(re.findall(r'"ldae ([a-z-]+) ', rules))
    assert called == set(WORKFLOW)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such-stage"], "no-such-stage"),
        (["schema"], "--output"),
        (["gather-scans", "--settings", "{}"], "requires an argument|seed"),
    ],
)
def test_mistakes_end_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    text = str(caught.value.code)
    assert re.search(message, text), text
    assert "\n" not in text


def test_an_unknown_log_level_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDAE_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit, match=r"^ldae schema: LDAE_LOG_LEVEL=loud: .*INFO[^\n]*$"):
        cli.main(["schema"])


def test_a_place_that_cannot_be_written_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^ldae schema: .*file.*: (Not a directory|File exists)$"):
        cli.main(["schema", "--output", str(tmp_path / "file" / "schema.json")])


def test_an_interruption_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "configure_logging", interrupted)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["predict", "scan.nii.gz"])
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "ldae predict: interrupted\n"


def test_help_of_a_stage_is_no_job(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["invert-scans", "--help"])
    assert not caught.value.code
    assert "--index" in capsys.readouterr().out
