"""Others' weights in a folder of the user's own: what appears is noticed where it is read."""

from pathlib import Path

import pytest

from .conftest import Workflow

DEMO = ("config/config.yaml", "config/demo.yaml", "mine.yaml")
RULES = """
include: "{common}"
rule all:
    default_target: True
    input: "reads.txt"
rule reads:
    input: PUBLIC_WEIGHTS
    output: "reads.txt"
    params: public=published("squeezenet")
    shell: "touch {{output}}"
"""


@pytest.fixture
def reading(workflow: Workflow, project: Path) -> Workflow:
    """A workflow of one job, which reads SqueezeNet."""
    common = project / "workflow/rules/common.smk"
    (workflow.folder / "Snakefile").write_text(RULES.format(common=common))
    (workflow.folder / "mine").mkdir()
    (workflow.folder / "mine.yaml").write_text("pretrained: mine")
    return workflow


def test_a_file_that_appears_is_noticed_by_those_who_read_it(reading: Workflow) -> None:
    def run() -> str:
        done = reading.run("--snakefile", "Snakefile", configfiles=DEMO)
        assert done.returncode == 0, done.stdout
        return done.stdout

    assert "Nothing to be done" not in run()
    (reading.folder / "mine/resnet_10_23dataset.pth").write_bytes(b"another's")
    assert "Nothing to be done" in run()
    (reading.folder / "mine/squeezenet1_1-b8a52dc0.pth").write_bytes(b"weights")
    assert "Nothing to be done" not in run()
    assert "Nothing to be done" in run()


@pytest.mark.parametrize("folder", ["resources/weights/", "./resources/../resources/weights"])
def test_the_fetched_folder_is_known_however_it_is_written(reading: Workflow, folder: str) -> None:
    (reading.folder / "mine.yaml").write_text(f"pretrained: {folder}")
    done = reading.run("--dry-run", "--snakefile", "Snakefile", configfiles=DEMO)
    assert "resources/weights/checksums.json" in done.stdout  # which no rule here makes
