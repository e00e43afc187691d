import json
import re
from pathlib import Path

import pytest
import yaml

from ldae.config import Config, Diffusion, Section, Split
from ldae.errors import UserError
from ldae.settings import fingerprint, json_schema, load_settings, read_yaml


class Stage(Section):
    seed: int
    diffusion: Diffusion


GOOD = {"seed": 1, "diffusion": {"timesteps": 10, "beta_start": 1e-4, "beta_end": 0.02}}


def test_a_rule_hands_over_exactly_its_sections() -> None:
    assert load_settings(Stage, json.dumps(GOOD)).diffusion.timesteps == 10
    with pytest.raises(UserError, match="ldm: unknown key; known here: seed, diffusion"):
        load_settings(Stage, json.dumps(GOOD | {"ldm": {}}))


def test_a_whole_configuration_file_serves_any_stage(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"other": {"anything": 1}}))
    assert load_settings(Stage, str(path)) == load_settings(Stage, json.dumps(GOOD))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"timesteps": "many"}, "diffusion.timesteps"),
        ({"timesteps": 0}, "diffusion.timesteps"),
        ({"beta": 1}, "diffusion.beta"),
        ({"beta_end": float("nan")}, "diffusion.beta_end"),
    ],
)
def test_faults_are_one_line_with_their_path(change: dict[str, object], where: str) -> None:
    values = {"seed": 1, "diffusion": GOOD["diffusion"] | change}
    with pytest.raises(UserError, match=where) as caught:
        load_settings(Stage, json.dumps(values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{not json", "no/such/file.yaml"])
def test_unreadable_settings_are_named(text: str) -> None:
    with pytest.raises(UserError, match="--settings"):
        load_settings(Stage, text)


def test_yaml_that_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: [1, 2")
    with pytest.raises(UserError, match="not valid YAML"):
        load_settings(Stage, str(path))
    path.write_text("- a list")
    with pytest.raises(UserError, match="expected sections"):
        load_settings(Stage, str(path))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\nb: 2\na: 1\n", "a is there twice .*line 3, column 1"),
        ("a: {b: {c: 1, c: 2}}", "c is there twice"),
        ("{[1]: 2, a: 1, a: 2}", "a is there twice"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"config.yaml: not valid YAML: the key {key}"):
        read_yaml(path)


def test_yaml_may_refer_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_yaml(path)["b"] == {"x": 3, "y": 2}


def test_split_must_leave_training_subjects() -> None:
    with pytest.raises(ValueError, match="no training subjects"):
        Split(validation=0.5, test=0.5)


def test_sections_are_frozen_and_fingerprints_follow_values() -> None:
    one = Diffusion(timesteps=10, beta_start=0.1, beta_end=0.2)
    same = Diffusion(timesteps=10, beta_start=0.1, beta_end=0.2)
    other = Diffusion(timesteps=11, beta_start=0.1, beta_end=0.2)
    assert fingerprint(one, "x") == fingerprint(same, "x") != fingerprint(other, "x")
    with pytest.raises(ValueError, match="frozen"):
        one.timesteps = 3  # type: ignore[misc]


def test_the_committed_schema_is_the_generated_one(project: Path) -> None:
    committed = json.loads((project / "workflow/schemas/config.schema.json").read_text())
    assert committed == json_schema(), "write it again with `ldae schema --output ...`"


@pytest.mark.parametrize("overlays", [[], ["original"], ["demo"], ["demo", "study"]])
def test_the_shipped_configurations_are_valid(project: Path, overlays: list[str]) -> None:
    files = [str(project / f"config/{name}.yaml") for name in ["config", *overlays]]
    assert load_settings(Config, *files).run == (overlays or ["adni"])[-1]


def test_later_files_are_laid_over_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(GOOD))
    (tmp_path / "top.yaml").write_text("diffusion: {timesteps: 20}")
    merged = load_settings(Stage, str(tmp_path / "base.yaml"), str(tmp_path / "top.yaml"))
    assert (merged.diffusion.timesteps, merged.diffusion.beta_end) == (20, 0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("preprocessing: {grid: {shape: [128, 150, 128]}}", "150 voxels along y .* multiple of 32"),
        ("synthetic: {visits_per_subject: [3, 2]}", "visits_per_subject: 3 to 2 visits"),
        ("synthetic: {visits_per_subject: [1, 5]}", "visits_per_subject: 1 to 5 visits"),
        (
            "autoencoder: {discriminator: {layers: 6}}",
            "autoencoder.discriminator.layers: 6: for it .*shape needs 192 voxels along every axis",
        ),
        ("metrics: {ssim_window: 129}", "metrics.ssim_window: 129: for it .* needs 129 voxels"),
        ("autoencoder: {network: {norm_groups: 48}}", "norm_groups: 48 do not divide"),
        ("ldm: {network: {heads: 7}}", "heads: 7 do not divide"),
        ("ldm: {network: {attention_at: [8]}}", "attention_at: .8. is not among"),
        ("ldae: {semantic_encoder: {depths: [3]}}", "widths and depths"),
        ("ldae: {semantic_encoder: {kind: all}}", "kind: 'all' is none of 'slices', 'volume'"),
        ("ldae: {timesteps: {focus: [0.7, 0.2]}}", "focus: 0.7 to 0.2 is empty"),
        ("ldae_volume: {semantic_encoder: {norm_groups: 24}}", "norm_groups: 24 do not divide"),
        ("ldae_volume: {semantic_encoder: {depths: [1]}}", "widths and depths"),
        (
            "ldae_volume: {semantic_encoder: {pool: [4, 12, 4]}}",
            r"ldae_volume.semantic_encoder.pool: .4, 12, 4. cells, but 4 stages leave .8, 10, 8.",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_refused(
    project: Path, tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "change.yaml").write_text(change)
    with pytest.raises(UserError, match=message):
        load_settings(Config, str(project / "config/config.yaml"), str(tmp_path / "change.yaml"))


ALL = "ldae.semantic_encoder.initialise, dae.semantic_encoder.initialise, supervised_diagnosis"
RANDOM = "{semantic_encoder: {initialise: random}}"


@pytest.mark.parametrize(
    ("change", "asking"),
    [
        ("{}", ALL),
        ("baselines: [lddim, ldae-volume]", "(ldae.semantic_encoder.initialise);"),
        (f"ldae: {RANDOM}", "(dae.semantic_encoder.initialise, supervised_diagnosis"),
        (
            f"{{ldae: {RANDOM}, baselines: [supervised], supervised_age: {RANDOM}}}",
            "(supervised_diagnosis.semantic_encoder.initialise);",
        ),
        (f"{{ldae: {RANDOM}, baselines: [lddim]}}", None),
    ],
)
def test_imagenet_without_a_folder_of_weights_is_refused(
    project: Path, tmp_path: Path, change: str, asking: str | None
) -> None:
    files = [str(project / "config/config.yaml")]
    for name, text in {"none": "pretrained: null", "change": change}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        files.append(str(tmp_path / f"{name}.yaml"))
    if asking is None:
        assert load_settings(Config, *files).pretrained is None
        return
    with pytest.raises(UserError, match=re.escape(asking)) as caught:
        load_settings(Config, *files)
    assert "set pretrained: resources/weights, which a run fetches" in str(caught.value)
    assert "or initialise: random" in str(caught.value)
