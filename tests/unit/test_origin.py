"""Which commit a package says it is of."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from ldae import __version__, origin

ENVIRONMENT = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]


def git(folder: Path, *words: str) -> str:
    command = ["git", *ENVIRONMENT, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package of a checkout with one commit."""
    package = tmp_path / "src/ldae"
    package.mkdir(parents=True)
    (package / "code.py").write_text("1\n")
    (tmp_path / "README.md").write_text("read\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return package


def test_a_checkout_names_its_commit(package: Path) -> None:
    commit = origin.commit_of(package)
    assert commit == git(package, "rev-parse", "HEAD").strip()
    (package.parents[1] / "README.md").write_text("not of the package\n")
    assert origin.commit_of(package) == commit


def test_a_checkout_of_somebody_else_names_its_commit(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(package, "rev-parse", "HEAD").strip()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own, for its tests
    assert origin.commit_of(package) == commit


@pytest.mark.parametrize("file", ["code.py", "new.py"])
def test_edited_code_is_of_no_commit(package: Path, file: str) -> None:
    (package / file).write_text("2\n")
    assert origin.commit_of(package) == git(package, "rev-parse", "HEAD").strip() + "+dirty"


def test_a_package_within_another_checkout_is_not_of_its_commits(package: Path) -> None:
    installed = package.parents[1] / ".venv/lib/python3/site-packages/ldae"
    installed.mkdir(parents=True)
    assert origin.commit_of(installed) is None


def test_a_checkout_without_git_knows_no_commit(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert origin.commit_of(package) is None


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """What pip wrote of a package that is in no checkout; to be filled."""
    known: dict[str, object] = {}
    text = SimpleNamespace(read_text=lambda name: json.dumps(known))
    monkeypatch.setattr(origin, "distribution", lambda name: text)
    monkeypatch.setattr(origin, "SOURCE", tmp_path / "lib/site-packages/ldae")
    for cached in (origin.made_with, origin.installed):
        monkeypatch.setattr(origin, cached.__name__, cached.__wrapped__)
    return known


def test_a_package_installed_from_a_repository_knows_its_commit(
    installed: dict[str, object],
) -> None:
    installed["url"] = "https://example.org/ldae.git"
    installed["vcs_info"] = {"vcs": "git", "commit_id": "abc"}
    assert origin.made_with() == {"ldae": __version__, "commit": "abc"}
    assert origin.generated_by() == [
        {"Name": "ldae", "Version": __version__, "CodeURL": installed["url"], "Commit": "abc"}
    ]


def test_where_nobody_knows_a_commit_none_is_told(installed: dict[str, object]) -> None:
    installed["url"] = "file:///somewhere"
    assert origin.made_with() == {"ldae": __version__, "commit": None}
    assert origin.generated_by() == [{"Name": "ldae", "Version": __version__}]
    assert origin.in_words(__version__, None) == f"ldae {__version__}, no commit known"
