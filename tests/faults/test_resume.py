"""The real trainings, killed by `kill -9`, end in the very bytes of one that was left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ldae.stages import train_autoencoder, train_dae, train_ldae, train_ldm, train_supervised

pytestmark = pytest.mark.slow
PATIENCE = 120  # seconds until a training must have made its next step
SETTINGS = {
    "train-autoencoder": train_autoencoder.Settings,
    "train-ldm": train_ldm.Settings,
    "train-ldae": train_ldae.Settings,
    "train-ldae-volume": train_ldae.Settings,
    "train-dae": train_dae.Settings,
    "train-supervised": train_supervised.Settings,
}
READS = {
    "train-autoencoder": ["scans", "derivatives", "model", "state"],
    "encode-latents": ["scans", "derivatives", "autoencoder", "latents"],
    "train-ldm": ["scans", "latents", "model", "state"],
    "train-ldae": ["scans", "derivatives", "latents", "ldm", "model", "state"],
    "train-ldae-volume": ["scans", "derivatives", "latents", "ldm", "model", "state"],
    "train-dae": ["scans", "derivatives", "model", "state"],
    "train-supervised": ["scans", "derivatives", "task", "model", "state"],
}
VOLUMETRIC = {
    "kind": "volume", "widths": [4, 8], "depths": [0, 1], "norm_groups": 2, "pool": [4, 4, 4],
    "embedding_dim": 16, "dropout": 0.1, "standardise": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def words_of(blob_scans: Path, tiny_training: dict) -> Callable[..., list[str]]:
    """The command of a stage of `run`."""

    def words(stage: str, run: Path, *, devices: int = 0) -> list[str]:
        model = stage.removeprefix("train-")
        places = {
            "scans": blob_scans / "scans.parquet",
            "derivatives": blob_scans / "derivatives",
            "autoencoder": run / "models/autoencoder",
            "latents": run / "latents",
            "ldm": run / "models/ldm",
            "task": "diagnosis",
            "model": run / "models" / model,
            "state": run / "state" / model,
        }
        paths = [word for name in READS[stage] for word in (f"--{name}", str(places[name]))]
        paths += ["--devices", str(devices), "--threads", "1"]
        if stage not in SETTINGS:
            return [stage, *paths]
        settings = tiny_training
        if stage == "train-ldae-volume":
            settings = settings | {"ldae": settings["ldae"] | {"semantic_encoder": VOLUMETRIC}}
        fields = SETTINGS[stage].model_fields
        known = json.dumps({k: v for k, v in settings.items() if k in fields})
        return [stage.removesuffix("-volume"), *paths, "--settings", known]

    return words


def _finish(server, words: list[str], log: Path, *, ranks: int = 0) -> str:
    status = server.run(words=words, log=log, ranks=ranks)
    assert status == 0, log.read_text()
    return log.read_text()


def _kill_after(server, words: list[str], journal: Path, step: int) -> None:
    """Start and, once the journal holds `step`, kill."""
    child = server.start(words=words, log=journal.with_name("log"))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if journal.is_file() and f'"step": {step},' in journal.read_text():
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    assert server.status() == -signal.SIGKILL, journal.with_name("log").read_text()


@pytest.fixture(scope="module")
def whole(server, words_of, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    for stage in READS:
        _finish(server, words_of(stage, run), run / "log")
    return run


def _share(whole: Path, run: Path, stage: str) -> str:
    """Give `run` what `stage` reads of the whole one; gives the name of the model it trains."""
    name = stage.removeprefix("train-")
    (run / "models").mkdir()
    for model in ("autoencoder", "ldm"):
        if model != name:
            (run / "models" / model).symlink_to(whole / "models" / model)
    (run / "latents").symlink_to(whole / "latents")
    (run / "state" / name).mkdir(parents=True)
    return name


@pytest.mark.parametrize(
    ("stage", "kills"),
    [
        ("train-autoencoder", (3, 13, 22)),
        ("train-ldm", (17,)),
        ("train-ldae", (2, 19)),
        ("train-ldae-volume", (18,)),
        ("train-dae", (1, 14)),
        ("train-supervised", (2, 17)),
    ],
)
def test_killed_trainings_end_in_the_same_bytes(
    server, whole: Path, words_of, tmp_path: Path, stage: str, kills: tuple
) -> None:
    name, words = _share(whole, tmp_path, stage), words_of(stage, tmp_path)
    for step in kills:
        _kill_after(server, words, tmp_path / "state" / name / "train.jsonl", step)
        assert not (tmp_path / "models" / name / "weights.safetensors").exists()
    assert "continuing at step" in _finish(server, words, tmp_path / "log")
    ours, theirs = (at / "models" / name / "weights.safetensors" for at in (tmp_path, whole))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("stage", SETTINGS)
def test_two_processes_train_as_one_does(
    server, whole: Path, words_of, tmp_path: Path, stage: str
) -> None:
    name, words = _share(whole, tmp_path, stage), words_of(stage, tmp_path, devices=2)
    _finish(server, words, tmp_path / "log", ranks=2)
    _assert_same_curve(tmp_path, whole, name)


def test_the_command_starts_its_ranks_itself(whole: Path, words_of, tmp_path: Path) -> None:
    """Also where Slurm says that the job has one task."""
    name = _share(whole, tmp_path, "train-ldm")
    words = words_of("train-ldm", tmp_path, devices=2)
    names = "pretended-0,pretended-1"
    gpus = {"LDAE_GPUS": names, "CUDA_VISIBLE_DEVICES": names, "LDAE_LEASES": str(tmp_path)}
    slurm = {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train", "SLURM_PROCID": "0"}
    done = subprocess.run(
        [shutil.which("ldae", path=Path(sys.executable).parent) or "ldae", *words],
        env=os.environ | slurm | gpus | {"OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Starting with 2 processes" in done.stderr
    _assert_same_curve(tmp_path, whole, name)


def _assert_same_curve(ours: Path, theirs: Path, name: str) -> None:
    curves = [
        [json.loads(line) for line in (at / "models" / name / "train.jsonl").open()]
        for at in (ours, theirs)
    ]
    for mine, other in zip(*curves, strict=True):
        assert mine.keys() == other.keys()
        for loss in ("loss", "validation_loss"):
            assert mine.get(loss, 0) == pytest.approx(other.get(loss, 0), rel=1e-5)
