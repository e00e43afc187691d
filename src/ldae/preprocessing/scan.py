"""One scan from raw image to derivative files, and whether that has been done before."""

import importlib.metadata
import json
from functools import cache
from typing import Any

import numpy as np

from ldae import __version__
from ldae.bids import TEMPLATE
from ldae.config import Preprocessing
from ldae.errors import UserError
from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.extraction import extract_brain
from ldae.preprocessing.grid import resample_to_grid, scale_intensities
from ldae.preprocessing.images import write_image
from ldae.preprocessing.mosaic import draw_mosaic
from ldae.preprocessing.outputs import Outputs
from ldae.preprocessing.quality import measure_quality
from ldae.preprocessing.reading import read_image, write_like
from ldae.preprocessing.registration import register_to_template
from ldae.preprocessing.source import Source
from ldae.runtime import sha256, write_json
from ldae.settings import fingerprint

RECIPE = 3  # raised whenever the same image and settings give other voxels or figures


def preprocess_scan(source: Source, outputs: Outputs, settings: Preprocessing) -> None:
    """Preprocess one image and write its files.

    Raises:
        ScanError: the image is at fault; `outputs.quality` is not written.
        UserError: the outputs would replace what they are made from.
    """
    replaced = {source.image.resolve(), *(aid.resolve() for aid in source.aids)} & {
        path.resolve() for path in outputs
    }
    if replaced:
        raise UserError(f"{min(replaced)} would be overwritten; name another output folder")
    outputs.remove()
    corrected = correct_bias(read_image(source.image), settings.bias)
    brain = extract_brain(corrected, settings.brain, source.aids)
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
    figures = measure_quality(corrected, brain, volume, inside, settings)
    write_image(volume, outputs.volume, np.float32)
    write_image(volume.with_data(inside), outputs.mask, np.uint8)
    write_like(source.image, brain.mask, outputs.native_mask)
    draw_mosaic(corrected, brain.mask, volume, settings.grid, path=outputs.figure)
    made = _provenance(source, outputs, settings)
    standard = {
        "SpatialReference": TEMPLATE,
        "Resolution": f"{settings.grid.spacing_mm:g} mm isotropic",
    }
    write_json(outputs.volume_sidecar, {"SkullStripped": True, **standard, **made})
    write_json(outputs.mask_sidecar, {"Type": "Brain", **standard, **made})
    write_json(outputs.native_mask_sidecar, {"Type": "Brain", **made})
    write_json(
        outputs.quality,
        {
            "fingerprint": scan_fingerprint(source, settings),
            "image_sha256": source.image_sha256,
            "volume_sha256": sha256(outputs.volume),
            "mask_sha256": sha256(outputs.mask),
            "quality": figures,
            "extraction": brain.figures,
            **made,
        },
    )


def scan_fingerprint(source: Source, settings: Preprocessing) -> str:
    """Changes with all that decides the scan's voxels, but for versions of packages beside ANTs."""
    aids = [sha256(aid) for aid in source.aids]
    return fingerprint(RECIPE, _version("antspyx"), source.image_sha256, aids, settings)


def is_finished(source: Source, outputs: Outputs, settings: Preprocessing) -> bool:
    """Whether the files stand there, made from this source with these settings, and undamaged."""
    try:
        made = json.loads(outputs.quality.read_text(encoding="utf-8"))
        return bool(
            made["fingerprint"] == scan_fingerprint(source, settings)
            and made["volume_sha256"] == sha256(outputs.volume)
            and made["mask_sha256"] == sha256(outputs.mask)
            and all(path.is_file() for path in outputs)
        )
    except (OSError, ValueError, KeyError):
        return False


def _provenance(source: Source, outputs: Outputs, settings: Preprocessing) -> dict[str, Any]:
    """What every sidecar of the scan says of how it was made."""
    packages = ["antspyx", "nilearn", "numpy", "scipy"]
    packages += ["antspynet", "tensorflow"] if settings.brain.method == "antspynet" else []
    return {
        "Sources": [source.reference],
        "Aids": {aid.name: sha256(aid) for aid in source.aids},
        "Transforms": {"Forward": outputs.transform.name, "Inverse": outputs.inverse.name},
        "Settings": settings.model_dump(mode="json"),
        "Versions": {"ldae": __version__, "recipe": RECIPE}
        | {package: _version(package) for package in packages},
    }


@cache
def _version(package: str) -> str:
    return importlib.metadata.version(package)
