"""What a user sees when the configuration is right, and when it is not."""

import re
from pathlib import Path

import pytest

from .conftest import Workflow

PAPER = ("config/config.yaml",)
DEMO = (*PAPER, "config/demo.yaml")
STUDY = (*DEMO, "config/study.yaml")
ORIGINAL = (*PAPER, "config/original.yaml")
CONVNEXT = "convnext_small-0c510722.pth"


@pytest.mark.parametrize("configfiles", [DEMO, STUDY], ids=["demo", "study"])
def test_the_embedded_cohorts_build(workflow: Workflow, configfiles: tuple[str, ...]) -> None:
    done = workflow.run("--dry-run", configfiles=configfiles)
    assert done.returncode == 0, done.stdout
    assert "train_ldae" in done.stdout


@pytest.mark.parametrize("configfiles", [PAPER, ORIGINAL], ids=["paper", "original"])
def test_the_paper_builds_against_a_download(
    workflow: Workflow, tmp_path: Path, configfiles: tuple[str, ...]
) -> None:
    (tmp_path / "ADNI").mkdir()
    done = workflow.run("--dry-run", "--config", "cohort={download: ADNI}", configfiles=configfiles)
    assert done.returncode == 0, done.stdout
    assert "train_ldae" in done.stdout
    assert "fetch_weights" in done.stdout
    assert "make_cohort" not in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ldm: {training: {learning_rate: fast}}", "ldm.training.learning_rate: 'fast' is not"),
        ("ldm: {training: {learning_rat: 0.1}}", "ldm.training: Additional .*learning_rat"),
        ("split: {test: 1.5}", "split.test: 1.5 is greater than the maximum of 1"),
        ("cohort: {download: no/such/folder}", "cohort.download: there is no no/such"),
        ("split: {validation: 0.5, test: 0.6}", "split: .* no training subjects"),
        ("preprocessing: {grid: {shape: [100, 160, 128]}}", "shape: 100 voxels along x"),
        ("ldm: {network: {attention_at: [3]}}", "attention_at: .3. is not among .1, 2, 4."),
        (
            "ldae: {semantic_encoder: {pool: [0, 1]}}",
            r"ldae.semantic_encoder.pool\[0\]: 0 is less than the minimum of 1$",
        ),
        (
            "ldae_volume: {semantic_encoder: {heads: 8}}",
            "ldae_volume.semantic_encoder: Additional properties .*'heads' was unexpected",
        ),
        (
            "ldae: {semantic_encoder: {kind: all}}",
            "semantic_encoder.kind: 'slices' was expected; .*kind: 'volume'",
        ),
        ("baselines: [lddim, pca]", r"baselines\[1\]: 'pca' is not one of"),
        (
            "dae: {network: {multipliers: [1, 1, 1, 1, 1, 1, 1]}}",
            "shape: 160 voxels along y are not a multiple of 64, by which dae.network",
        ),
        (
            "pretrained: null",
            r"pretrained: null, but ImageNet's .*\(ldae.semantic_encoder.initialise, dae.* "
            "pretrained: resources/weights, .* or initialise: random$",
        ),
        (
            "pretrained: config",  # a folder that is there
            rf"^Configuration: config/{CONVNEXT} is missing: .* "
            "set ldae.semantic_encoder.initialise: random$",
        ),
        (
            "ldae: {semantic_encoder: {depths: [3, 3, 9, 3]}}",
            "resources/weights/convnext_tiny-983f1562.pth is missing: ",
        ),
        (
            "dae: {semantic_encoder: {depths: [3, 3, 5, 3]}}",
            "dae.semantic_encoder: no ImageNet weights for a ConvNeXt of widths",
        ),
        ("typo: 1", "'typo' was unexpected"),
    ],
)
def test_a_wrong_value_is_one_readable_line(
    workflow: Workflow, tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "change.yaml").write_text(change)
    done = workflow.run("--dry-run", configfiles=(*PAPER, "change.yaml"))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Configuration: ")
    assert re.search(message, last), last


def test_the_missing_download_says_how_to_get_it(workflow: Workflow) -> None:
    done = workflow.run("--dry-run", configfiles=PAPER)
    assert done.returncode != 0
    assert "cohort.download is not set" in done.stdout.splitlines()[-1]
    assert "Getting ADNI" in done.stdout.splitlines()[-1]


def test_the_catalogs_snakefile_builds_the_same(workflow: Workflow, project: Path) -> None:
    snakefile = str(project / "workflow/Snakefile")
    done = workflow.run("--dry-run", "--snakefile", snakefile, configfiles=DEMO)
    assert done.returncode == 0, done.stdout
    assert "write_report" in done.stdout


def test_weights_of_the_users_own_are_not_fetched(workflow: Workflow, tmp_path: Path) -> None:
    for folder in ("ADNI", "mine"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine" / CONVNEXT).touch()
    settings = ("cohort={download: ADNI}", "pretrained=mine")
    done = workflow.run("--dry-run", "--config", *settings, configfiles=PAPER)
    assert done.returncode == 0, done.stdout
    assert "fetch_weights" not in done.stdout


def test_weights_are_fetched_only_where_the_setting_or_the_user_asks(workflow: Workflow) -> None:
    done = workflow.run("--dry-run", configfiles=DEMO)
    assert "fetch_weights" not in done.stdout
    done = workflow.run("--dry-run", "--config", "pretrained=resources/weights", configfiles=DEMO)
    assert done.returncode == 0, done.stdout
    assert "fetch_weights" in done.stdout
    done = workflow.run("--dry-run", "fetch_weights", configfiles=DEMO)
    assert done.returncode == 0, done.stdout
    assert "make_cohort" not in done.stdout
