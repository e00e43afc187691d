"""A run in miniature: preprocessed volumes that differ by diagnosis, and untrained models."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from ldae import config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import (
    build_noise_predictor,
    build_semantic_encoder,
    representation,
)
from ldae.models.dae import build_voxel_noise_predictor, voxel_representation
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.tables import SCANS, write_table
from ldae.weights.folder import load_model_config, save_model

SHAPE = (8, 12, 8)
SPACING = 20.0

AUTOENCODER = config.AutoencoderNetwork(
    channels=(4, 8), latent_channels=2, res_blocks=1, norm_groups=4, initial_log_variance=-6.0
)
UNET = config.UNet(
    base_channels=8,
    multipliers=(1, 2),
    res_blocks=1,
    attention_at=(2,),
    heads=1,
    norm_groups=4,
    dropout=0.0,
    downsample=(2, 2, 2),
)
ENCODER = config.SemanticEncoder(
    widths=(8,),
    depths=(2,),
    stochastic_depth=0.0,
    pool=(2, 3),
    embedding_dim=6,
    heads=2,
    dropout=0.0,
    initialise="random",
    standardise=True,
)
VOLUMETRIC = config.VolumetricEncoder(
    kind="volume",
    widths=(4, 8),
    depths=(0, 1),
    norm_groups=2,
    pool=(2, 3, 2),
    embedding_dim=6,
    dropout=0.0,
    standardise=True,
)
DIFFUSION = config.Diffusion(timesteps=1000, beta_start=1e-4, beta_end=0.02)


@dataclass(frozen=True)
class Run:
    scans: Path
    derivatives: Path
    models: Path
    rows: pd.DataFrame


def scan_row(subject: int, months: int, diagnosis: str, split: str) -> dict[str, object]:
    participant, session = f"sub-{subject:02d}", f"ses-M{months:03d}"
    stem = f"{participant}_{session}"
    return {
        "participant_id": participant,
        "session_id": session,
        "months": months,
        "age": 60.0 + 2 * subject + months / 12,
        "sex": "FM"[subject % 2],
        "diagnosis": diagnosis,
        "image_id": subject,
        "image": f"{stem}_T1w.nii.gz",
        "image_sha256": "0",
        "volume": f"{stem}_volume.nii.gz",
        "mask": f"{stem}_mask.nii.gz",
        "volume_sha256": "0",
        "split": split,
    }


def paint(row: dict[str, object], folder: Path) -> None:
    """A ball in the middle whose radius is the disease, on a grid of `SHAPE`."""
    generator = np.random.default_rng(int(row["image_id"]) * 100 + int(row["months"]))
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes))
    size = {"CN": 0.75, "MCI": 0.85, "AD": 0.95}[str(row["diagnosis"])]
    mask = distance < 1.1
    volume = np.clip(size - 0.4 * distance + generator.normal(0, 0.02, SHAPE), 0.05, 1) * mask
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * SPACING for n in SHAPE]  # the template's brain is around 0
    nib.save(nib.Nifti1Image(volume.astype(np.float32), affine), folder / str(row["volume"]))
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), folder / str(row["mask"]))


def save_models(folder: Path) -> None:
    torch.manual_seed(0)
    autoencoder = build_autoencoder(AUTOENCODER)
    save_model(
        folder / "autoencoder",
        module_state=autoencoder.state_dict(),
        config={
            "network": AUTOENCODER.model_dump(mode="json"),
            "volume_shape": SHAPE,
            "spacing_mm": [SPACING] * 3,
        },
    )
    noise_predictor = build_noise_predictor(UNET, AUTOENCODER.latent_channels)
    _wake(noise_predictor)
    save_model(
        folder / "ldm",
        module_state=noise_predictor.state_dict(),
        config={
            "network": UNET.model_dump(mode="json"),
            "diffusion": DIFFUSION.model_dump(mode="json"),
            "latent_channels": AUTOENCODER.latent_channels,
            "latent_scale": 1.5,
            "autoencoder": load_model_config(folder / "autoencoder")["weights_sha256"],
        },
    )
    for name, form in (("ldae", ENCODER), ("ldae-volume", VOLUMETRIC)):
        encoder = build_semantic_encoder(form, SHAPE)
        shifted = ShiftedNoisePredictor(noise_predictor, form.embedding_dim)
        _wake(shifted.estimator)
        save_model(
            folder / name,
            module_state=representation(encoder, shifted).state_dict(),
            config={
                "network": form.model_dump(mode="json"),
                "ldm": load_model_config(folder / "ldm")["weights_sha256"],
            },
        )
    encoder = build_semantic_encoder(ENCODER, SHAPE)
    voxels = build_voxel_noise_predictor(UNET, ENCODER.embedding_dim)
    _wake(voxels)
    save_model(
        folder / "dae",
        module_state=voxel_representation(encoder, voxels).state_dict(),
        config={
            "model": "dae",
            "network": ENCODER.model_dump(mode="json"),
            "noise_predictor": UNET.model_dump(mode="json"),
            "diffusion": DIFFUSION.model_dump(mode="json"),
            "volume_shape": SHAPE,
            "spacing_mm": [SPACING] * 3,
        },
    )


def _wake(module: torch.nn.Module) -> None:
    """Fill what starts at zero, so that untrained networks do answer."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(0, 0.02)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    rows = []
    splits = ["train"] * 10 + ["validation"] * 2 + ["test"] * 4
    for subject, split in enumerate(splits):
        diagnosis = ("CN", "AD")[subject % 2]
        visits = (0, 12, 24) if subject % 3 == 0 else (0, 12)
        rows += [scan_row(subject, months, diagnosis, split) for months in visits]
    derivatives = folder / "derivatives"
    derivatives.mkdir()
    for row in rows:
        paint(row, derivatives)
    frame = pd.DataFrame(rows).reindex(columns=SCANS.names)
    write_table(frame, folder / "scans.parquet", SCANS)
    save_models(folder / "models")
    return Run(folder / "scans.parquet", derivatives, folder / "models", frame)
