"""Trainings killed for real, by `kill -9`, end in the very bytes of one that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldae.stages import train_autoencoder, train_ldae, train_ldm

pytestmark = pytest.mark.slow
PATIENCE = 120  # seconds until a training must have made its next step
SETTINGS = {
    "train-autoencoder": train_autoencoder.Settings,
    "train-ldm": train_ldm.Settings,
    "train-ldae": train_ldae.Settings,
}


def _command(stage: str, blob_scans: Path, run: Path, settings: dict) -> list[str]:
    places = {
        "scans": blob_scans / "scans.parquet",
        "derivatives": blob_scans / "derivatives",
        "autoencoder": run / "models/autoencoder",
        "latents": run / "latents",
        "ldm": run / "models/ldm",
        "model": run / "models" / stage.removeprefix("train-"),
        "state": run / "state" / stage.removeprefix("train-"),
    }
    wanted = {
        "train-autoencoder": ["scans", "derivatives", "model", "state"],
        "encode-latents": ["scans", "derivatives", "autoencoder", "latents"],
        "train-ldm": ["scans", "latents", "model", "state"],
        "train-ldae": ["scans", "derivatives", "latents", "ldm", "model", "state"],
    }[stage]
    paths = [word for name in wanted for word in (f"--{name}", str(places[name]))]
    call = "import sys; from ldae.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", call, stage, *paths, "--threads", "1"]
    if stage not in SETTINGS:
        return command
    known = {k: v for k, v in settings.items() if k in SETTINGS[stage].model_fields}
    return [*command, "--settings", json.dumps(known)]


ENVIRONMENT = os.environ | {"LDAE_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}


def _finish(command: list[str]) -> str:
    done = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _kill_after(command: list[str], journal: Path, step: int, number: int) -> None:
    """Start and, once the journal holds `step`, send the signal."""
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if journal.is_file() and f'"step": {step},' in journal.read_text():
                process.send_signal(number)
                break
            time.sleep(0.002)
        _, log = process.communicate()
    assert process.returncode in {-number, 128 + number}, log


@pytest.fixture(scope="module")
def whole(blob_scans: Path, tiny_training: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    for stage in ("train-autoencoder", "encode-latents", "train-ldm", "train-ldae"):
        _finish(_command(stage, blob_scans, run, tiny_training))
    return run


@pytest.mark.parametrize(
    ("stage", "kills"),
    [("train-autoencoder", (3, 13, 22)), ("train-ldm", (17,)), ("train-ldae", (2, 19))],
)
def test_killed_trainings_end_in_the_same_bytes(
    whole: Path, blob_scans: Path, tiny_training: dict, tmp_path: Path, stage: str, kills: tuple
) -> None:
    name = stage.removeprefix("train-")
    (tmp_path / "models").mkdir()
    for model in ("autoencoder", "ldm"):
        if model != name:
            (tmp_path / "models" / model).symlink_to(whole / "models" / model)
    (tmp_path / "latents").symlink_to(whole / "latents")
    command = _command(stage, blob_scans, tmp_path, tiny_training)
    for step in kills:
        _kill_after(command, tmp_path / "state" / name / "train.jsonl", step, signal.SIGKILL)
        assert not (tmp_path / "models" / name / "weights.safetensors").exists()
    log = _finish(command)
    assert "continuing at step" in log
    ours, theirs = (at / "models" / name / "weights.safetensors" for at in (tmp_path, whole))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_terminated_training_saves_its_last_step(
    blob_scans: Path, tiny_training: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "LDAE_CHECKPOINT_SECONDS", "3600")
    command = _command("train-autoencoder", blob_scans, tmp_path, tiny_training)
    state = tmp_path / "state/autoencoder"
    _kill_after(command, state / "train.jsonl", 9, signal.SIGTERM)
    assert (state / "checkpoint.pt").is_file()
    assert "continuing at step" in _finish(command)
