"""What a user sees when the configuration is right, and when it is not."""

import re
from pathlib import Path

import pytest
import yaml

from .conftest import Workflow, workflow_in
from .edits import configuration, overlaid

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


WRONG = {  # laid over the paper's configuration, and what is said of it
    "ldm: {training: {learning_rate: fast}}": (
        "ldm.training.learning_rate: 'fast' should be a valid number"
    ),
    "ldm: {training: {learning_rate: 1e-4}}": r"YAML takes 1e-4 for text, write 1\.0e-4",
    "ldm: {training: {learning_rat: 0.1}}": (
        r"ldm.training.learning_rat: unknown key; did you mean learning_rate\?"
    ),
    "preprocessing: {brain: {method: mask, masks: no/masks}}": (
        "preprocessing.brain.masks: there is no folder no/masks"
    ),
    "typo: 1": "typo: unknown key; known here: run, seed, ",
    "cohort: {download: no/such/folder}": "cohort.download: there is no no/such",
    "cohort: {download: null}": "cohort.download is not set: .* README.md, 'Getting ADNI'",
    "split: {validation: 0.5, test: 0.6}": "split: .* no training subjects",
    "preprocessing: {grid: {shape: [100, 160, 128]}}": "shape: 100 voxels along x",
    "ldae: {semantic_encoder: {pool: [0, 1]}}": (
        r"ldae.semantic_encoder.pool\[0\]: 0 should be greater than or equal to 1 "
    ),
    "ldae_volume: {semantic_encoder: {heads: 8}}": (
        "ldae_volume.semantic_encoder.heads: unknown key of kind: volume; known here: kind, "
    ),
    "ldae: {semantic_encoder: {kind: all}}": (
        "semantic_encoder.kind: 'all' is none of 'slices', 'volume'"
    ),
    "baselines: [lddim, pca]": r"baselines\[1\]: 'pca' should be 'lddim', 'dae', ",
    "dae: {network: {multipliers: [1, 1, 1, 1, 1, 1, 1]}}": (
        "shape: 160 voxels along y are not a multiple of 64, by which dae.network"
    ),
    "interpolation: {steps: 1000}": (
        "interpolation.steps: 1000 DDIM steps, but diffusion.timesteps: 1000 leaves 999"
    ),
    "resources: {train: {gpu: 9}}": (
        "resources.train.gpu: 9 GPUs, but a step of supervised_diagnosis has 8 examples"
    ),
    "pretrained: no/weights": "pretrained: there is no folder no/weights; set pretrained: ",
    "pretrained: null": (
        r"pretrained: null, but ImageNet's .*\(ldae.semantic_encoder.initialise, dae.* "
        "pretrained: resources/weights, .* or initialise: random "
    ),
    "pretrained: config": (  # a folder that is there
        rf"^Configuration: config/{CONVNEXT} is missing: .* "
        "set ldae.semantic_encoder.initialise: random "
    ),
    "ldae: {semantic_encoder: {depths: [3, 3, 9, 3]}}": (
        "resources/weights/convnext_tiny-983f1562.pth is missing: "
    ),
    "dae: {semantic_encoder: {depths: [3, 3, 5, 3]}}": (
        "dae.semantic_encoder: no ImageNet weights for a ConvNeXt of widths"
    ),
}
OTHER_DATA = {  # where results/adni has been made of the folder ADNI
    "cohort: {download: ADNI}": None,
    "cohort: {download: ./ADNI/}": None,
    "cohort: {download: OASIS}": (
        r"run: results/adni holds results of cohort.source: adni \(cohort.download: ADNI\), and "
        r"the configuration has cohort.source: adni \(cohort.download: OASIS\): give this run a "
        "name of its own, or remove results/adni; if the same data were moved, remove "
        "results/adni/cohort/source.json "
    ),
    "cohort: {source: synthetic}": "the configuration has cohort.source: synthetic: give this",
    "{run: oasis, cohort: {download: OASIS}}": None,
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, project: Path) -> dict[str, str | None]:
    """The last line that is said of each change of the paper's configuration; None: it is run."""
    workflow = workflow_in(tmp_path_factory.mktemp("wrong"), project)
    for folder in ("ADNI", "OASIS", "results/adni/cohort"):
        (workflow.folder / folder).mkdir(parents=True)
    noted = workflow.results.with_name("adni") / "cohort/source.json"
    noted.write_text('{"source": "adni", "download": "ADNI"}')
    paper = overlaid(configuration(*PAPER), {"cohort": {"download": "ADNI"}})
    changes = {change: overlaid(paper, yaml.safe_load(change)) for change in WRONG | OTHER_DATA}
    answers = workflow.dry_runs({"": paper} | changes)
    refused = {change: answer["refused"] for change, answer in answers.items()}
    assert not any("Traceback" in text for text in refused.values() if text)
    return {change: text and text.splitlines()[-1] for change, text in refused.items()}


@pytest.mark.parametrize(("change", "message"), (WRONG | OTHER_DATA).items())
def test_a_wrong_configuration_is_one_readable_line(
    said: dict[str, str | None], change: str, message: str | None
) -> None:
    line = said[change]
    if message is None:
        assert line is None
    else:
        assert line, "not refused"
        assert line.startswith("Configuration: ")
        assert re.search(message, line), line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("split: {test: 1.5}", "split.test: 1.5 should be less than or equal to 1"),
        ("run: 2024-01-31", r"run: 'datetime.date\(2024, 1, 31\)' should match pattern .*"),
        ("2024-01-31: 1", "keys must be str, .* not datetime.date"),
        ("seed: 1\nseed: 2", "change.yaml: not valid YAML: the key seed is there twice in .*"),
    ],
)
def test_the_line_ends_with_the_files_that_were_read(
    workflow: Workflow, tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "change.yaml").write_text(change)
    done = workflow.run("--dry-run", configfiles=(*PAPER, "change.yaml"))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    expected = rf"Configuration: {message} \(in config/config.yaml, change.yaml\)"
    assert re.fullmatch(expected, done.stdout.splitlines()[-1])


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
