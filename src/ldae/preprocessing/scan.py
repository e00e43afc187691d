"""One scan from raw image to derivative files, and whether that has been done before."""

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ldae import __version__
from ldae.bids import TEMPLATE
from ldae.config import Preprocessing
from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.brain import Brain, extract_brain, whole_image
from ldae.preprocessing.grid import resample_to_grid, scale_intensities
from ldae.preprocessing.images import Image, read_image, write_image
from ldae.preprocessing.mosaic import draw_mosaic
from ldae.preprocessing.outputs import Outputs
from ldae.preprocessing.quality import measure_quality
from ldae.preprocessing.registration import register_to_template
from ldae.runtime import sha256, write_json
from ldae.settings import fingerprint

RECIPE = 1  # raised whenever the same image and settings give other voxels


def scan_fingerprint(image_sha256: str, settings: Preprocessing) -> str:
    """Changes when the scan's voxels would."""
    return fingerprint(RECIPE, importlib.metadata.version("antspyx"), image_sha256, settings)


def preprocess_scan(
    image: Path, outputs: Outputs, settings: Preprocessing, *, image_sha256: str
) -> None:
    """Preprocess one image and write its files.

    Raises:
        ScanError: the image is at fault; `outputs.quality` is not written.
    """
    outputs.remove()
    corrected = correct_bias(read_image(image), settings.bias)
    brain = _extraction(settings)(corrected)
    register_to_template(
        corrected,
        brain,
        settings.registration,
        forward=outputs.transform,
        inverse=outputs.inverse,
    )
    signal, inside = resample_to_grid(
        corrected, brain.mask, settings.grid, transform=outputs.transform
    )
    volume = scale_intensities(signal, inside, settings.intensity)
    figures = measure_quality(brain.mask, volume, inside, settings.grid)
    write_image(volume, outputs.volume, np.float32)
    write_image(volume.with_data(inside), outputs.mask, np.uint8)
    draw_mosaic(corrected, brain.mask, volume, settings.grid, path=outputs.figure)
    space = {
        "SpatialReference": TEMPLATE,
        "Resolution": f"{settings.grid.spacing_mm:g} mm isotropic",
        "Sources": [image.name],
    }
    write_json(outputs.volume_sidecar, {"SkullStripped": True, **space})
    write_json(outputs.mask_sidecar, {"Type": "Brain", **space})
    write_json(
        outputs.quality,
        {
            "fingerprint": scan_fingerprint(image_sha256, settings),
            "image": image.name,
            "image_sha256": image_sha256,
            "volume_sha256": sha256(outputs.volume),
            "mask_sha256": sha256(outputs.mask),
            "settings": settings.model_dump(mode="json"),
            "versions": {
                "ldae": __version__,
                "recipe": RECIPE,
                "antspyx": importlib.metadata.version("antspyx"),
                "nilearn": importlib.metadata.version("nilearn"),
            },
            "quality": figures,
            "extraction": brain.figures,
        },
    )


def is_finished(outputs: Outputs, settings: Preprocessing, *, image_sha256: str) -> bool:
    """Whether the files stand there, made from this image with these settings, and undamaged."""
    try:
        made = json.loads(outputs.quality.read_text(encoding="utf-8"))
        return bool(
            made["fingerprint"] == scan_fingerprint(image_sha256, settings)
            and made["volume_sha256"] == sha256(outputs.volume)
            and made["mask_sha256"] == sha256(outputs.mask)
            and outputs.transform.is_file()
            and outputs.inverse.is_file()
            and outputs.figure.is_file()
        )
    except (OSError, ValueError, KeyError):
        return False


def _extraction(settings: Preprocessing) -> Callable[[Image], Brain]:
    if settings.brain.method == "none":
        return whole_image
    return lambda image: extract_brain(image, settings.brain.resolution_mm)
