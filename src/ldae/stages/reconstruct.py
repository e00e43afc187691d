"""Reconstruct one scan through the latent diffusion autoencoder."""

import logging
from pathlib import Path

import torch

from ldae.data.single_scan import as_volume, load_single_scan, save_volume
from ldae.errors import UserError
from ldae.metrics.image import ImageScorer
from ldae.models.ldae import load_ldae
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, write_json

SSIM_WINDOW = 3  # voxels, as in the paper


def reconstruct(
    scan: Path, *, models: Path, output: Path, steps: int = 50, devices: int = 1
) -> None:
    """Write the reconstruction of a scan (NIfTI), scores (JSON) and a comparison (PNG) to a folder.

    z_T comes from the scan by DDIM inversion with its semantic code, and is sampled back in as many
    steps. Brain scores are over the scan's voxels above 0.

    Args:
        scan: a preprocessed volume (NIfTI), as `ldae preprocess` writes it.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        output: the folder to write to.
        steps: DDIM steps each way.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    if steps < 1:
        raise UserError(f"--steps {steps}: at least one step is needed")
    model = load_ldae(models, device=pick_device(devices))
    single = load_single_scan(scan, shape=model.volume_shape, spacing_mm=model.spacing_mm)
    with torch.inference_mode():
        x = single.x.to(model.device)
        y, z_0 = model.encode(x), model.to_latent(x)
        z_T = model.invert(z_0, y, steps=steps)
        decoded = model.to_volume(z_0).clamp(0, 1)
        reconstruction = model.to_volume(model.sample(z_T, y, steps=steps)).clamp(0, 1)
        scorer = ImageScorer(SSIM_WINDOW, perceptual=None)
        scores = {
            name: {
                metric: float(value)
                for metric, value in scorer.score(volume, x, x > 0).items()
                if not value.isnan().any()
            }
            for name, volume in (("encoded", reconstruction), ("bottleneck", decoded))
        }
    name = f"{single.name}_reconstruction"
    save_volume(reconstruction[0, 0], single.affine, output / f"{name}.nii.gz")
    write_json(output / f"{name}.json", {"scan": scan.name, "steps": steps, "scores": scores})
    original, made = as_volume(x), as_volume(reconstruction)
    rows = [Row(plane, [original, made], plane=plane) for plane in ("axial", "coronal", "sagittal")]
    change = [Row("difference", [None, made - original], plane="axial", kind="difference")]
    draw_rows(
        output / f"{name}.png",
        title=f"{single.name}",
        columns=["scan", f"reconstruction, {steps} steps"],
        rows=rows + change,
        centre=centre_of(original > 0),
    )
    logging.info("SSIM %.4f, in %s", scores["encoded"]["ssim"], output / f"{name}.nii.gz")
