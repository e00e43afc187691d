"""The whole workflow, small and for real: what it writes, and what it does when asked again."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time

import pandas as pd
import pytest

from .conftest import KILLED, Workflow

pytestmark = pytest.mark.slow

LDAE = "import sys; from ldae.cli import main; main(sys.argv[1:])"
TRAINED = [
    *("autoencoder", "ldm", "ldae", "ldae-volume"),
    *("dae", "supervised-diagnosis", "supervised-age"),
]


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
        "models/contract.json",
        "models/probes.json",
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
        "provenance.json",
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


def verified(finished: Workflow, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LDAE, "verify", str(finished.results), *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_finished_run_is_as_it_was_made(finished: Workflow) -> None:
    for words in ([], ["--full"]):
        done = verified(finished, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "are as they were made" in done.stdout


def test_every_table_and_weights_file_says_how_it_was_made(finished: Workflow) -> None:
    gathered = json.loads((finished.results / "provenance.json").read_text())["files"]
    results = finished.results
    kept = [path for kind in ("*.csv", "*.tsv", "*.parquet") for path in results.rglob(kind)]
    kept += results.rglob("*.safetensors")
    without = [results / name for name in ("bids", "download", "cohort/buckets", "benchmarks")]
    for path in kept:
        if not any(path.is_relative_to(folder) for folder in without):
            entry = gathered[path.relative_to(results).as_posix()]
            assert entry["version"], path
            assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert all(entry["inputs"].values()), path
            assert entry["inputs"] or entry["stage"] in {"make-cohort", "index-download"}, path
    for name in TRAINED:
        stored = json.loads((results / f"models/{name}/config.json").read_text())
        entry = gathered[f"models/{name}/weights.safetensors"]
        assert stored["settings_hash"] == entry["settings_hash"]
        assert set(stored["inputs"].values()) == set(entry["inputs"].values())


def test_a_changed_cell_is_told_by_its_file(finished: Workflow) -> None:
    table = finished.results / "tables/downstream.csv"
    before = table.read_bytes()
    table.write_bytes(before[:-2] + bytes([before[-2] ^ 1]) + before[-1:])
    try:
        done = verified(finished)
    finally:
        table.write_bytes(before)
    assert done.returncode == 1
    said = [line.split(":")[0].split() for line in done.stdout.splitlines()[:-1]]
    assert ["changed", "tables/downstream.csv"] in said
    assert [kind for kind, _ in said].count("changed") == 1
    assert ["stale", "tables/paper.csv"] in said
    assert ["stale", "report/index.html"] in said


def test_a_second_call_has_nothing_to_do(finished: Workflow) -> None:
    done = finished.run()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_inputs_newer_than_what_was_made_of_them_rerun_nothing(finished: Workflow) -> None:
    files = [path for path in finished.results.rglob("*") if path.is_file()]
    files = [path for path in files if path.name != ".snakemake_timestamp"]  # of whole folders
    times = {path: path.stat().st_mtime_ns for path in files}
    now = time.time_ns()
    for place, path in enumerate(sorted(files, key=lambda path: times[path])):
        os.utime(path, ns=(now, now - place * 1_000_000))  # what was made first is the newest
    try:
        assert finished.planned() == set()
    finally:
        for path, then in times.items():
            os.utime(path, ns=(then, then))


def test_a_dry_run_ends_with_what_runs_again_and_why(finished: Workflow) -> None:
    change = finished.overlay("ldm: {training: {learning_rate: 0.001}}")
    done = finished.run("--dry-run", "--quiet", "rules", "host", configfiles=change)
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) < 80, done.stdout
    reasons = done.stdout.rpartition("Reasons:")[2]
    assert re.search(r"params have changed since last execution:\s+train_ldm\n", reasons), reasons
    assert re.search(r"updated by another job:\s+.*\btrain_ldae\b", reasons), reasons
    assert "train_autoencoder" not in done.stdout


@pytest.mark.parametrize("model", KILLED)
def test_a_killed_training_went_on(finished: Workflow, model: str) -> None:
    log = (finished.results / f"logs/train_{model}.log").read_text()
    assert re.search(rf"^.*{model}: continuing at step \d+ of \d+", log, re.MULTILINE), log
