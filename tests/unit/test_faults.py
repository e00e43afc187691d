"""Every fault of a configuration in one line: the key, what is there, what would be right."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ldae.config import Config
from ldae.errors import UserError
from ldae.settings import load_settings


@pytest.fixture(scope="module")
def paper(project: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((project / "config/config.yaml").read_text())
    return values


def said_of(values: dict[str, Any], change: str) -> str:
    """What is said of `values` with the YAML `change` laid over them."""

    def lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
        both = {key: value for key, value in above.items() if isinstance(below.get(key), dict)}
        nested = {
            key: lay_over(below[key], value)
            for key, value in both.items()
            if isinstance(value, dict)
        }
        return below | above | nested

    with pytest.raises(UserError) as caught:
        load_settings(Config, json.dumps(lay_over(values, yaml.safe_load(change))))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("--settings: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed: 1.5", "seed: 1.5 should be a valid integer"),
        ("seed: true", "seed: true should be a valid integer"),
        ("seed: '1'", "seed: '1' should be a valid integer"),
        ("seed: null", "seed: null should be a valid integer"),
        ("run: 2024", "run: 2024 should be a valid string"),
        ("ldm: 3", "ldm: 3 should be a group of keys"),
        ("ldae: {semantic_encoder: 3}", "ldae.semantic_encoder: 3 should be a group of keys"),
        ("seed: {a: 1}", "seed: a group of keys should be a valid integer"),
        (
            "diffusion: {beta_start: 1E-4}",
            "diffusion.beta_start: '1E-4' should be a valid number; "
            "YAML takes 1E-4 for text, write 1.0e-4",
        ),
        (
            "diffusion: {beta_start: 1.5e2}",
            "diffusion.beta_start: '1.5e2' should be a valid number; "
            "YAML takes 1.5e2 for text, write 1.5e+2",
        ),
        ("diffusion: {beta_end: .nan}", "diffusion.beta_end: nan should be a finite number"),
        (
            "diffusion: {beta_end: 1.0e-5}",
            "diffusion.beta_end: 1e-05 should lie between beta_start: 0.0001 and 1",
        ),
        ("cohort: {sorce: adni}", "cohort.sorce: unknown key; did you mean source?"),
        ("resources: {train: {gpus: 2}}", "resources.train.gpus: unknown key; did you mean gpu?"),
        (
            "ldae: {semantic_encoder: {poool: [1, 1]}}",
            "ldae.semantic_encoder.poool: unknown key; did you mean pool?",
        ),
        (
            "near_days: 3",
            "near_days: unknown key here; did you mean matching.near_days?",
        ),
        ("cohort: {x: 1}", "cohort.x: unknown key; known here: source, download"),
        (
            "synthetic: {subjects: {EMCI: 3}}",
            "synthetic.subjects.EMCI: unknown key; known here: 'CN', 'MCI' or 'AD'",
        ),
        (
            "preprocessing: {grid: {shape: [128, 160]}}",
            "preprocessing.grid.shape[2]: missing; it has no default",
        ),
        (
            "preprocessing: {intensity: {percentiles: [99.0, 1.0]}}",
            "preprocessing.intensity.percentiles: [99.0, 1.0] should rise",
        ),
        (
            "ldae: {semantic_encoder: {widths: [48]}}",
            "ldae.semantic_encoder: widths and depths: one of each per stage",
        ),
        (
            "voxel_pca: {components: x, pool: 0}",
            "voxel_pca.components: 'x' should be a valid integer; "
            "voxel_pca.pool: 0 should be greater than or equal to 1",
        ),
    ],
)
def test_a_fault_is_told_by_its_key(paper: dict[str, Any], change: str, message: str) -> None:
    assert said_of(paper, change) == message


def test_the_kind_of_an_encoder_is_asked_for(paper: dict[str, Any]) -> None:
    encoder = {name: 1 for name in paper["ldae"]["semantic_encoder"] if name != "kind"}
    values = paper | {"ldae": paper["ldae"] | {"semantic_encoder": encoder}}
    assert said_of(values, "{}") == "ldae.semantic_encoder.kind: missing; it has no default"


@pytest.mark.parametrize("key", ["seed", "cohort", "resources"])
def test_what_is_missing_is_named(paper: dict[str, Any], key: str) -> None:
    values = {name: value for name, value in paper.items() if name != key}
    assert said_of(values, "{}") == f"{key}: missing; it has no default"


@pytest.mark.parametrize(
    "key",
    [
        "reconstruction.dae_steps",
        "interpolation.steps",
        "manipulation.steps",
        "variation.steps",
        "generation.steps",
    ],
)
def test_no_run_has_more_steps_than_the_noise(paper: dict[str, Any], key: str) -> None:
    section, name = key.split(".")
    expected = f"{key}: 400 DDIM steps, but diffusion.timesteps: 400 leaves 399 at most"
    change = f"{{diffusion: {{timesteps: 400}}, {section}: {{{name}: 400}}}}"
    assert said_of(paper, change) == expected


@pytest.mark.parametrize(
    ("training", "stage"), [("autoencoder", "autoencoder"), ("ldm", "train"), ("dae", "train")]
)
def test_every_gpu_has_an_example_in_every_step(
    paper: dict[str, Any], training: str, stage: str
) -> None:
    change = (
        f"{{{training}: {{training: {{batch_size: 1, accumulate: 2}}}}, "
        f"resources: {{{stage}: {{gpu: 3}}}}}}"
    )
    assert said_of(paper, change) == (
        f"resources.{stage}.gpu: 3 GPUs, but a step of {training} has 2 examples "
        f"({training}.training.batch_size: 1 times accumulate: 2); ask for 2 GPUs at most"
    )
