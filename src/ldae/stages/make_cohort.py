"""The embedded synthetic cohort, written as a download from the archive would be."""

import logging
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ldae.cohort.clinic import enrol
from ldae.cohort.download import write_download
from ldae.config import Section, Synthetic
from ldae.runtime import atomic_folder
from ldae.tables import write_csv


class Settings(Section):
    """What the cohort depends on."""

    seed: Annotated[int, Field(ge=0)]
    synthetic: Synthetic


def make_cohort(*, download: Path, truth: Path, expected: Path, settings: Settings) -> None:
    """Write a synthetic download and, beside it, what it was made from and what must come of it.

    Args:
        download: the folder to make; it appears as a whole.
        truth: CSV with one row per T1-weighted image of the cohort; nothing in the workflow reads
            it, nor the next one.
        expected: CSV with one row per image that goes wrong on purpose: used or excluded, and why.
        settings: sections of the configuration.

    Raises:
        UserError: if `download` holds something already, or the settings contradict each other.
    """
    subjects = enrol(settings.synthetic, seed=settings.seed)
    with atomic_folder(download) as folder:
        simulated, outcomes = write_download(
            folder,
            subjects,
            voxel_mm=settings.synthetic.voxel_mm,
            seed=settings.seed,
            traps=settings.synthetic.traps,
        )
        write_csv(simulated, truth)
        write_csv(outcomes, expected)
    logging.info(
        "%d subjects, %d T1-weighted images and %d images with an expected outcome in %s",
        len(subjects),
        len(simulated),
        len(outcomes),
        download,
    )
