"""The whole workflow, small and for real: what it writes, and what it does when asked again."""

import os
import re
import signal
import subprocess
import time

import pandas as pd
import pytest

from .conftest import Workflow

pytestmark = pytest.mark.slow

TRAINED = [
    *("autoencoder", "ldm", "ldae", "ldae-volume"),
    *("dae", "supervised-diagnosis", "supervised-age"),
]
AFTER_PROBES = {"evaluate_probes", "compare_paper", "write_report"}
AFTER_SCORES = {
    *("evaluate_reconstruction", "compare_models", "evaluate_representation"),
    *("compare_paper", "write_report"),
}
AFTER_RECONSTRUCTION = AFTER_SCORES | {"reconstruct_scans"}
AFTER_CLIP = AFTER_RECONSTRUCTION | {
    *("invert_scans", "evaluate_interpolation", "evaluate_manipulation", "evaluate_variation"),
    *("sample_scans", "evaluate_generation"),
}
AFTER_LDM = {
    "train_ldm",
    "train_ldae",
    "train_ldae_volume",
    "embed_scans",
    "invert_scans",
    "reconstruct_scans",
    "evaluate_reconstruction",
    "compare_models",
    "evaluate_representation",
    "evaluate_interpolation",
    "evaluate_manipulation",
    "evaluate_variation",
    "sample_scans",
    "evaluate_generation",
    "measure_throughput",
} | AFTER_PROBES


def test_every_promised_file_is_there(finished: Workflow) -> None:
    for name in [
        "bids/dataset_description.json",
        "bids/participants.tsv",
        "cohort/images.tsv",
        "cohort/ingested.parquet",
        "cohort/scans.parquet",
        "derivatives/ldae/dataset_description.json",
        *[
            f"models/{model}/{file}"
            for model in TRAINED
            for file in ("weights.safetensors", "config.json", "train.jsonl")
        ],
        "latents/scale.json",
        *[
            f"embeddings/{encoder}.parquet"
            for encoder in ("ldae", "ldae-volume", "dae", "random-init", "voxel-pca")
        ],
        "predictions/supervised-age.parquet",
        "tables/reconstruction.csv",
        "tables/downstream.csv",
        "tables/downstream_by_group.csv",
        "tables/downstream_compared.csv",
        "tables/representation.csv",
        "tables/representation_by_time.csv",
        "tables/models.csv",
        "tables/generation.csv",
        "tables/throughput.csv",
        "tables/paper.csv",
        "samples/ldae/index.parquet",
        "figures/generation.png",
        "figures/interpolation.png",
        "figures/manipulation.png",
        "figures/variation.png",
        "report/index.html",
    ]:
        assert (finished.results / name).stat().st_size > 0, name


def test_every_image_of_the_download_is_accounted_for(finished: Workflow) -> None:
    images = pd.read_csv(finished.results / "cohort/images.tsv", sep="\t")
    ingested = pd.read_parquet(finished.results / "cohort/ingested.parquet")
    scans = pd.read_parquet(finished.results / "cohort/scans.parquet")
    excluded = pd.read_csv(finished.results / "cohort/excluded.tsv", sep="\t")
    leaves = {path.parent.name for path in (finished.results / "download").rglob("*.dcm")}
    places = [*images["place"], *images["copies"].dropna()]
    listed = {part for place in places for part in re.split(r"[/|]", place)}
    assert leaves <= listed
    assert images["place"].is_unique
    assert set(images["status"]) == {"used", "excluded"}
    assert images.loc[images["status"] == "excluded", "reason"].notna().all()
    assert (images["status"] == "used").sum() == len(ingested) == len(scans) + len(excluded)


def test_no_subject_is_on_two_sides(finished: Workflow) -> None:
    scans = pd.read_parquet(finished.results / "cohort/scans.parquet")
    assert (scans.groupby("participant_id")["split"].nunique() == 1).all()
    assert set(scans["split"]) == {"train", "validation", "test"}


def test_logs_begin_with_the_command_that_repeats_them(finished: Workflow) -> None:
    for log in (finished.results / "logs").rglob("*.log"):
        assert "$ ldae " in log.read_text().splitlines()[0], log


def test_a_second_call_has_nothing_to_do(finished: Workflow) -> None:
    done = finished.run()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_touching_an_input_reruns_nothing(finished: Workflow) -> None:
    (finished.results / "cohort/scans.parquet").touch()
    assert finished.planned() == set()


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("probe: {folds: 3}", AFTER_PROBES),
        ("ldm: {training: {learning_rate: 0.001}}", AFTER_LDM),
        ("variation: {samples: 3}", {"evaluate_variation", "write_report"}),
        ("generation: {samples: 5}", {"sample_scans", "evaluate_generation", "write_report"}),
        ("throughput: {repeats: 1}", {"measure_throughput", "compare_paper", "write_report"}),
        ("reconstruction: {control_steps: 2}", AFTER_RECONSTRUCTION),
        ("sampling: {clip: 3.0}", AFTER_CLIP),
        ("dae_sampling: {clip: 3.0}", AFTER_RECONSTRUCTION | {"invert_scans"}),
        ("resources: {train: {mem_mb: 3000}, scans_per_batch: 1}", set()),
    ],
)
def test_an_edited_key_reruns_what_it_touches(
    finished: Workflow, change: str, rules: set[str]
) -> None:
    assert finished.planned(change) == rules


def reconstructed(finished: Workflow, change: str) -> tuple[set[str], set[str]]:
    """The inversions and the parts of the reconstructions that a `change` makes again."""
    done = finished.run("--dry-run", configfiles=finished.overlay(change))
    assert done.returncode == 0, done.stdout
    inverted = re.findall(r"Inverting test scans with (.*)", done.stdout)
    return set(inverted), set(re.findall(r"Reconstructing test scans: (.*)", done.stdout))


@pytest.mark.parametrize(
    ("change", "inverted", "parts"),
    [
        ("reconstruction: {steps: [2, 3, 4]}", {"ldae, 3 steps"}, {"ldae, 3 steps"}),
        ("reconstruction: {control_steps: 2}", set(), {"controls, 2 steps"}),
        ("reconstruction: {dae_steps: 3}", {"dae, 3 steps"}, {"dae, 3 steps"}),
        ("dae_sampling: {clip: 3.0}", {"dae, 2 steps"}, {"dae, 2 steps"}),
        ("bootstrap: {replicates: 30}", set(), set()),
    ],
)
def test_an_edited_number_reconstructs_by_that_number_only(
    finished: Workflow, change: str, inverted: set[str], parts: set[str]
) -> None:
    assert reconstructed(finished, change) == (inverted, parts)
    rules = finished.planned(change)
    assert {"evaluate_reconstruction", "compare_models"} <= rules
    assert not rules & {"embed_scans", "sample_scans"}


def test_another_ldae_leaves_the_inversions_of_lddim_alone(finished: Workflow) -> None:
    change = finished.overlay("ldae: {training: {learning_rate: 0.002}}")
    done = finished.run("--dry-run", configfiles=change)
    assert done.returncode == 0, done.stdout
    inverted = re.findall(r"Inverting test scans with (\w+),", done.stdout)
    assert set(inverted) == {"ldae"}


def test_the_volumetric_models_settings_leave_the_papers_model_alone(finished: Workflow) -> None:
    change = finished.overlay("ldae_volume: {timesteps: {share: 0.5}}")
    done = finished.run("--dry-run", configfiles=change)
    assert done.returncode == 0, done.stdout
    assert re.search(r"gradient estimator of ldae-volume$", done.stdout, re.MULTILINE)
    assert re.search(r"every scan with ldae-volume$", done.stdout, re.MULTILINE)
    assert not re.search(r"gradient estimator of ldae$", done.stdout, re.MULTILINE)
    assert not re.search(r"every scan with (ldae|random-init|dae)$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("model", ["autoencoder", "ldm", "ldae"])
def test_a_killed_training_continues(finished: Workflow, model: str) -> None:
    longer = finished.overlay(f"{model}: {{training: {{budget: {{amount: 480, unit: samples}}}}}}")
    checkpoint = finished.results / "state" / model / "checkpoint.pt"
    before = checkpoint.stat().st_mtime
    running = subprocess.Popen(
        finished.command(model, configfiles=longer),
        cwd=finished.folder,
        env=finished.environment() | {"LDAE_CHECKPOINT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while checkpoint.stat().st_mtime <= before and running.poll() is None:
        time.sleep(0.05)
    assert running.poll() is None, "finished before it could be killed"
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert finished.run("--unlock", configfiles=longer).returncode == 0
    done = finished.run(model, configfiles=longer)
    assert done.returncode == 0, done.stdout
    log = (finished.results / f"logs/train_{model}.log").read_text()
    assert "continu" in log.lower(), log
