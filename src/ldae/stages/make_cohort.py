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


def make_cohort(*, download: Path, truth: Path, settings: Settings) -> None:
    """Write a synthetic download and, beside it, the truth it was made from.

    Args:
        download: the folder to make; it appears as a whole.
        truth: CSV with one row per T1-weighted image; nothing in the workflow reads it.
        settings: sections of the configuration.

    Raises:
        UserError: if `download` holds something already, or the settings contradict each other.
    """
    subjects = enrol(settings.synthetic, seed=settings.seed)
    with atomic_folder(download) as folder:
        table = write_download(
            folder, subjects, voxel_mm=settings.synthetic.voxel_mm, seed=settings.seed
        )
        write_csv(table, truth)
    logging.info("%d subjects, %d T1-weighted images in %s", len(subjects), len(table), download)
