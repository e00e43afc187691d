"""Preprocess one T1-weighted image outside the workflow."""

import logging
import os
import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ldae.config import (
    BiasCorrection,
    BrainExtraction,
    Grid,
    Intensity,
    Preprocessing,
    Registration,
    Section,
)
from ldae.errors import UserError
from ldae.runtime import sha256


class Settings(Section):
    """What preprocessing depends on."""

    preprocessing: Preprocessing


# As in config/config.yaml, which an installed package does not carry; a test compares them.
PAPER = Settings(
    preprocessing=Preprocessing(
        grid=Grid(shape=(128, 160, 128), spacing_mm=1.5),
        bias=BiasCorrection(resolution_mm=2.0, shrink_factor=4, iterations=(50, 50, 30, 20)),
        brain=BrainExtraction(method="template", resolution_mm=2.0),
        registration=Registration(transform="affine", resolution_mm=2.0),
        intensity=Intensity(rule="minmax", percentiles=(0.0, 100.0)),
    )
)


def preprocess(
    image: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    settings: Annotated[Settings, Parameter(show_default=False)] = PAPER,
) -> None:
    """Write the brain of one image in template space, its mask, transforms, figures and picture.

    Args:
        image: a T1-weighted head (NIfTI).
        output: a derivative dataset; entities in the image's name (`sub-X_ses-Y_T1w.nii.gz`) are
            kept, and any other name becomes the subject's.
        settings: JSON or YAML with the section `preprocessing`; the paper's grid if not given.

    Raises:
        UserError: if the image cannot be preprocessed, with the reason.
    """
    # ITK reads this once, when ANTs is first imported; one thread repeats to the byte.
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
    from ldae.preprocessing.failure import ScanError  # noqa: PLC0415
    from ldae.preprocessing.outputs import outputs_of, write_description  # noqa: PLC0415
    from ldae.preprocessing.scan import preprocess_scan  # noqa: PLC0415

    if not image.is_file():
        raise UserError(f"{image} does not exist")
    participant_id, session_id = _entities(image)
    outputs = outputs_of(participant_id, session_id, settings.preprocessing, derivatives=output)
    write_description(output, sources=())
    try:
        preprocess_scan(image, outputs, settings.preprocessing, image_sha256=sha256(image))
    except ScanError as failure:
        outputs.remove()
        raise UserError(f"{image} cannot be preprocessed: {failure}") from None
    logging.info("%s; look at %s", outputs.volume, outputs.figure)


def _entities(image: Path) -> tuple[str, str]:
    """Participant and session as the image's name gives them, else its bare name and session 1."""
    name = image.name.split(".nii")[0]
    found = re.match(r"(sub-[0-9A-Za-z]+)(?:_(ses-[0-9A-Za-z]+))?_", name)
    if found:
        return found[1], found[2] or "ses-1"
    bare = re.sub(r"[^0-9A-Za-z]", "", name)
    if not bare:
        raise UserError(
            f"{image}: no letter or digit in its name to call the subject by; rename it"
        )
    return f"sub-{bare}", "ses-1"
