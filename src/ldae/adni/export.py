"""What makes a folder of images a BIDS dataset: its description, tables and their dictionaries.

BIDS 1.10, https://bids-specification.readthedocs.io
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd

from ldae import __version__
from ldae.adni.conversion import Converted
from ldae.bids import BIDS_VERSION, scans_path, sessions_path
from ldae.runtime import write_json, write_text
from ldae.tables import write_tsv

Dictionary = Mapping[str, Mapping[str, Any]]

_SEXES = {"Description": "Sex", "Levels": {"F": "female", "M": "male"}}
PARTICIPANTS: Dictionary = {
    "archive_id": {"Description": "Subject id of the archive"},
    "sex": _SEXES,
    "sex_source": {"Description": "Where the sex is from"},
}
SESSIONS: Dictionary = {
    "months": {"Description": "Time since the participant's first baseline", "Units": "month"},
    "age": {"Description": "Age on the day of the scan", "Units": "year"},
    "age_source": {"Description": "Where the age is from"},
    "age_offset_days": {
        "Description": "Days from the scan to the day the age was recorded for",
        "Units": "d",
    },
    "diagnosis": {
        "Description": "Diagnosis made nearest to the scan, n/a if that is more than 183 days away",
        "Levels": {
            "CN": "cognitively normal, with or without concern about memory",
            "MCI": "mild cognitive impairment, early or late",
            "AD": "dementia",
        },
    },
    "diagnosis_source": {"Description": "Table the nearest diagnosis is from"},
    "diagnosis_offset_days": {
        "Description": "Days from the scan to the nearest diagnosis; beyond 90 it is distant",
        "Units": "d",
    },
}
SCANS: Dictionary = {
    "image_id": {"Description": "Number of the image in the archive"},
    "series_description": {"Description": "Name of the series"},
    "image_kind": {
        "Description": "What the archive delivered",
        "Levels": {"original": "as scanned", "processed": "corrected by the archive"},
    },
    "field_strength": {"Description": "Field strength of the scanner", "Units": "T"},
    "manufacturer": {"Description": "Manufacturer of the scanner"},
}
_NAMES = {
    "adni": "Alzheimer's Disease Neuroimaging Initiative, T1-weighted scans",
    "synthetic": "Synthetic stand-in for ADNI: nobody was scanned",
}
_README = """\
# {name}

T1-weighted scans of a download of the ADNI archive, one per participant and session. DICOM images
were converted by dcm2niix, NIfTI images copied; none is resampled or altered otherwise.

- Sessions are named by months since the participant's first baseline (`ses-M012`).
- Age and diagnosis are those of the day of the scan; sessions.json says how they were matched.
- Where a session had several T1-weighted images, originals were preferred to images processed by
  the archive or the reverse, as configured; then scans corrected for distortion, first scans over
  repeats, and unaccelerated over accelerated ones. The run's images.tsv has every image of the
  download with the reason for its exclusion.
{terms}"""
_TERMS = """
The data-use agreement of ADNI applies: the files must not be passed on.
"""


def write_dataset(
    bids: Path,
    scans: pd.DataFrame,
    converted: Iterable[Converted],
    *,
    source: Literal["adni", "synthetic"],
) -> None:
    """Write everything but the images; `scans` has the columns of `INGESTED`."""
    name = _NAMES[source]
    write_json(
        bids / "dataset_description.json",
        {
            "Name": name,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": "ldae", "Version": __version__}],
        },
    )
    terms = _TERMS if source == "adni" else ""
    write_text(bids / "README.md", _README.format(name=name, terms=terms))
    _write_tables(bids, _join(scans, converted))
    for table_name, dictionary in {
        "participants": PARTICIPANTS,
        "sessions": SESSIONS,
        "scans": SCANS,
    }.items():
        write_json(bids / f"{table_name}.json", dictionary)


def _join(scans: pd.DataFrame, converted: Iterable[Converted]) -> pd.DataFrame:
    """The table of scans with what only the images know, and the BIDS table each belongs to."""
    by_id = {result.scan.image.image_id: result.scan for result in converted if result.scan}
    chosen = [by_id[image_id] for image_id in scans["image_id"]]
    keys = zip(scans["participant_id"], scans["session_id"], strict=True)
    tables = [scans_path(*key) for key in keys]
    return scans.assign(
        archive_id=pd.Series([scan.image.ptid for scan in chosen], dtype=str),
        acq_time=[scan.acquired.isoformat() for scan in chosen],
        series_description=[scan.description for scan in chosen],
        image_kind=["processed" if scan.processed else "original" for scan in chosen],
        table=[table.as_posix() for table in tables],
        filename=[
            PurePosixPath(image).relative_to(table.parent).as_posix()
            for image, table in zip(scans["image"], tables, strict=True)
        ],
    )


def _write_tables(bids: Path, scans: pd.DataFrame) -> None:
    first = scans.drop_duplicates("participant_id")
    write_tsv(first[["participant_id", *PARTICIPANTS]], bids / "participants.tsv")
    for participant_id, sessions in scans.groupby("participant_id"):
        write_tsv(sessions[["session_id", *SESSIONS]], bids / sessions_path(str(participant_id)))
    for table, images in scans.groupby("table"):
        write_tsv(images[["filename", "acq_time", *SCANS]], bids / str(table))
