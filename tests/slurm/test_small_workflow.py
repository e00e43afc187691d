"""The whole small workflow, from a download to the results page, as jobs of a real Slurm."""

import shutil
import time

import pytest

from .conftest import OnCluster

pytestmark = pytest.mark.slurm


def test_a_run_of_which_a_training_was_cancelled_is_finished_by_the_next(
    on_cluster: OnCluster,
) -> None:
    smoke = on_cluster.project / "tests/workflow/smoke.yaml"
    shutil.copy(smoke, on_cluster.folder / "small.yaml")
    results = on_cluster.folder / "results/smoke"
    begin = time.monotonic()
    arrays = ["--slurm-array-jobs", "convert_images,preprocess_scans"]
    running = on_cluster.start("--retries", "0", *arrays, LDAE_CHECKPOINT_SECONDS="0")
    while not (results / "state/ldm/checkpoint.pt").exists():
        assert running.poll() is None, on_cluster.said
        time.sleep(0.1)
    on_cluster.cluster.call("scancel", on_cluster.cluster.running()["rule_train_ldm"])
    assert running.wait(timeout=3600) != 0
    assert not (results / "models/ldm/weights.safetensors").exists()
    assert (results / "embeddings/voxel-pca.parquet").exists()  # does not wait for the LDM
    assert on_cluster.run() == 0, on_cluster.said
    print(f"the small workflow on Slurm: {time.monotonic() - begin:.0f} s")  # noqa: T201
    assert (results / "report/index.html").stat().st_size > 0
    assert "continu" in (results / "logs/train_ldm.log").read_text().lower()
    assert len(on_cluster.calls("train-ldm")) == 2
    for other in ("train-autoencoder", "train-dae", "encode-latents"):
        assert len(on_cluster.calls(other)) == 1, other
    jobs = [call.get("SLURM_JOB_ID") for call in on_cluster.calls("embed-scans")]
    assert len(set(jobs)) == len(jobs) == 4
