"""Preprocess one T1-weighted image outside the workflow."""

import logging
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ldae.config import (
    BiasCorrection,
    BrainExtraction,
    Grid,
    Intensity,
    Preprocessing,
    Quality,
    Registration,
    Section,
)
from ldae.errors import UserError
from ldae.preprocessing.alone import preprocess_image
from ldae.pretrained.options import ModelsFolder, OutputFolder


class Settings(Section):
    """What preprocessing depends on, and what a good scan is."""

    preprocessing: Preprocessing
    quality: Quality


# As in config/config.yaml, which an installed package does not carry; a test compares them.
PAPER = Settings(
    preprocessing=Preprocessing(
        grid=Grid(shape=(128, 160, 128), spacing_mm=1.5),
        bias=BiasCorrection(resolution_mm=2.0, shrink_factor=4, iterations=(50, 50, 30, 20)),
        brain=BrainExtraction(method="template", resolution_mm=2.0, masks=None),
        registration=Registration(transform="affine", resolution_mm=2.0),
        intensity=Intensity(rule="minmax", percentiles=(0.0, 100.0)),
    ),
    quality=Quality(
        min_brain_ml=900.0,
        max_brain_ml=2000.0,
        max_border_cm2=40.0,
        min_snr=6.0,
        max_cjv=1.4,
        min_template_dice=0.85,
        min_template_correlation=0.55,
        min_symmetry=0.5,
    ),
)


def preprocess(
    image: Path,
    *,
    output: OutputFolder,
    models: ModelsFolder | None = None,
    network: Path | None = None,
    threads: int = 1,
    settings: Annotated[Settings, Parameter(show_default=False)] = PAPER,
) -> None:
    """Write the brain of one image in template space, its mask, transforms, figures and picture.

    Args:
        image: a T1-weighted head (NIfTI).
        output: a derivative dataset; subject and session in the image's name
            (`sub-X_ses-Y_T1w.nii.gz`) are kept, any other name becomes the subject's, and a missing
            session is called 1.
        models: the folder of a run's models, to preprocess as their training scans were; in place
            of settings.
        network: folder of the network's files, for brain extraction by antspynet.
        threads: of ITK; results are repeatable to the byte with 1.
        settings: JSON or YAML with the sections `preprocessing` and `quality`; the paper's grid if
            not given.

    Raises:
        UserError: if the output folder holds the session's scan made from another image, or the
            image cannot be preprocessed, or what came out is beyond a threshold of
            `quality`, with the reason; in the last case the files stay, to be looked at.
    """
    if models is not None:
        if settings is not PAPER:
            raise UserError("--models and --settings both say how; give one of them")
        settings = _as_for(models)
    outputs = preprocess_image(
        image,
        output=output,
        network=network,
        threads=threads,
        preprocessing=settings.preprocessing,
        quality=settings.quality,
    )
    logging.info("%s; look at %s", outputs.volume, outputs.figure)


def _as_for(models: Path) -> Settings:
    """As the contract of trained models has it."""
    from ldae.pretrained.contract import CONTRACT, read_contract  # noqa: PLC0415  (slow: torch)

    contract = read_contract(models)
    if contract is None:
        raise UserError(f"{models}: no {CONTRACT} says how to preprocess; give --settings")
    return Settings(preprocessing=contract.scan.preprocessing, quality=contract.scan.quality)
