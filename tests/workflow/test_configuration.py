"""What a user sees when the configuration is right, and when it is not."""

import re
from pathlib import Path

import pytest

from .conftest import Workflow

PAPER = ("config/config.yaml",)
DEMO = (*PAPER, "config/demo.yaml")
STUDY = (*DEMO, "config/study.yaml")


@pytest.mark.parametrize("configfiles", [DEMO, STUDY], ids=["demo", "study"])
def test_the_embedded_cohorts_build(workflow: Workflow, configfiles: tuple[str, ...]) -> None:
    done = workflow.run("--dry-run", configfiles=configfiles)
    assert done.returncode == 0, done.stdout
    assert "train_ldae" in done.stdout


def test_the_paper_builds_against_a_download(workflow: Workflow, tmp_path: Path) -> None:
    (tmp_path / "ADNI").mkdir()
    done = workflow.run("--dry-run", "--config", "cohort={download: ADNI}", configfiles=PAPER)
    assert done.returncode == 0, done.stdout
    assert "train_ldae" in done.stdout
    assert "make_cohort" not in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ldm: {training: {learning_rate: fast}}", "ldm.training.learning_rate: 'fast' is not"),
        ("ldm: {training: {learning_rat: 0.1}}", "ldm.training: Additional .*learning_rat"),
        ("split: {test: 1.5}", "split.test: 1.5 is greater than the maximum of 1"),
        ("cohort: {download: no/such/folder}", "no/such/folder"),
    ],
)
def test_a_wrong_value_is_one_readable_line(
    workflow: Workflow, tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "change.yaml").write_text(change)
    done = workflow.run("--dry-run", configfiles=(*PAPER, "change.yaml"))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert any(re.search(message, line) for line in done.stdout.splitlines())


def test_the_missing_download_says_how_to_get_it(workflow: Workflow) -> None:
    done = workflow.run("--dry-run", configfiles=PAPER)
    assert done.returncode != 0
    assert "cohort.download is not set" in done.stdout.splitlines()[-1]
    assert "Getting ADNI" in done.stdout.splitlines()[-1]
