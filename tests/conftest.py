"""Where the project is, and scans small enough to train on within a test."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.tables import SCANS, write_table

PROJECT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HEADLESS = [
    *("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-quic",
]
FINISHED = "finished: Workflow"  # how a test asks for the small run, which takes minutes to make


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file on one worker; on one of them all that examine the finished small run."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    tests = [
        path
        for path in (PROJECT / "tests/workflow").glob("test_*.py")
        if FINISHED in path.read_text()
    ]
    together = {path.relative_to(PROJECT).as_posix() for path in tests}

    class RunsOnce(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return FINISHED if file in together else file

    return RunsOnce(config, log)


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return PROJECT


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, WebGL 2 computed on the CPU; as playwright drives it."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, headless=True, args=HEADLESS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def blob_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `scans.parquet` and `derivatives`: smooth blobs of 12 subjects, two visits each."""
    folder = tmp_path_factory.mktemp("blobs")
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
    rows = [
        _blob(folder / "derivatives", subject, months, split)
        for subject, split in enumerate(splits)
        for months in (0, 12)
    ]
    write_table(pd.DataFrame(rows), folder / "scans.parquet", SCANS)
    return folder


def _blob(derivatives: Path, subject: int, months: int, split: str) -> dict[str, object]:
    rng = np.random.default_rng([subject, months])
    centre = 7.5 + np.random.default_rng(subject).normal(0, 1.5, 3)
    points = np.indices((16, 16, 16)) - centre[:, None, None, None]
    brain = (points**2).sum(0) < 40
    volume = np.exp(-(points**2).sum(0) / (20 + months / 4)) * brain + 0.02 * rng.random() * brain
    names = {"participant_id": f"sub-{subject:02d}", "session_id": f"ses-M{months:03d}"}
    stem = "_".join(names.values())
    derivatives.mkdir(exist_ok=True)
    values = {"volume": volume.astype(np.float32), "mask": brain.astype(np.uint8)}
    for kind, array in values.items():
        nib.save(nib.Nifti1Image(array, np.eye(4)), derivatives / f"{stem}_{kind}.nii.gz")
    unknown = {field.name: None for field in SCANS if field.nullable}
    return (
        unknown
        | names
        | {
            "months": months,
            "age": 70.0 + subject + months / 12,
            "sex": "FM"[subject % 2],
            "diagnosis": ("CN", "AD")[subject % 2],
            "image_id": 1000 * subject + months,
            "image": f"{stem}_T1w.nii.gz",
            "image_sha256": "0",
            "volume": f"{stem}_volume.nii.gz",
            "mask": f"{stem}_mask.nii.gz",
            "volume_sha256": hashlib.sha256(values["volume"].tobytes()).hexdigest(),
            "split": split,
        }
    )


@pytest.fixture(scope="session")
def tiny_training() -> dict[str, object]:
    """Settings of the training stages for `blob_scans`: seconds each, all losses in use."""
    training = {
        "batch_size": 2,
        "accumulate": 2,
        "learning_rate": 2e-3,
        "warmup_steps": 2,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "budget": {"amount": 10, "unit": "epochs"},
        "validate_every": 10,
        "patience": None,
        "precision": "32-true",
        "activation_checkpointing": False,
    }
    encoder = {
        "kind": "slices",
        "widths": [8],
        "depths": [2],
        "stochastic_depth": 0.1,
        "pool": [2, 2],
        "embedding_dim": 16,
        "heads": 2,
        "dropout": 0.1,
        "initialise": "random",
        "standardise": True,
    }
    unet = {
        "base_channels": 8,
        "multipliers": [1, 2],
        "res_blocks": 1,
        "attention_at": [2],
        "heads": 1,
        "norm_groups": 4,
        "dropout": 0.1,
        "downsample": [2, 2, 2],
    }
    return {
        "seed": 3,
        "pretrained": None,
        "autoencoder": {
            "network": {
                "channels": [4, 8],
                "latent_channels": 2,
                "res_blocks": 1,
                "norm_groups": 2,
                "initial_log_variance": -6.0,
            },
            "discriminator": {"channels": 4, "layers": 1, "learning_rate": 1e-3},
            "loss": {"kl": 1e-6, "perceptual": 0.1, "adversarial": 0.05, "adversarial_after": 40},
            "training": training,
        },
        "latents": {"use": "sample"},
        "diffusion": {"timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02},
        "ldm": {"network": unet, "training": training},
        "ldae": {
            "semantic_encoder": encoder,
            "snr_exponent": 0.1,
            "timesteps": {"focus": [0.0, 1.0], "share": 0.0},
            "training": training,
        },
        "dae": {"network": unet, "semantic_encoder": encoder, "training": training},
        "supervised_diagnosis": {
            "semantic_encoder": encoder,
            "watch": "mcc",
            "training": training,
        },
        "supervised_age": {"semantic_encoder": encoder, "watch": "mae", "training": training},
    }
