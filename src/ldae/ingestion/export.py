"""What makes a folder of images a BIDS dataset: its description, tables and their dictionaries.

BIDS 1.10, https://bids-specification.readthedocs.io
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from ldae.bids import BIDS_VERSION, scans_path, sessions_path, sidecar_path
from ldae.ingestion.dictionaries import CRITERIA, FLAGS, PARTICIPANTS, SCANS, SESSIONS
from ldae.ingestion.ledger import plain
from ldae.origin import generated_by
from ldae.runtime import write_json, write_text
from ldae.tables import write_tsv

Source = Literal["adni", "synthetic", "bids"]

_NAMES = {
    "adni": "Alzheimer's Disease Neuroimaging Initiative, T1-weighted scans",
    "synthetic": "Synthetic stand-in for ADNI: nobody was scanned",
    "bids": "T1-weighted scans, one per session",
}
_README = """\
# {name}

T1-weighted scans, one per participant and session. DICOM images were converted by dcm2niix, NIfTI
images are as they were; none is resampled or altered otherwise.

Sessions count months since the participant's first baseline (`months` in the sessions tables).
Age and diagnosis are those of the day of the scan, matched by date; sessions.json says what the
columns mean, and every value has its source beside it. Diagnoses are kept as they were recorded:
none is carried forward, and later milder ones are not repaired.

## Which image of a session

Where a session had several T1-weighted images, the first of these that they differ in decided:

{criteria}

The best one was taken, or if it could not be converted the next (`note` in the scans tables).
The run's cohort/images.tsv has every image found, with the reason where it is not here.

## Flags

{flags}
{terms}"""
_TERMS = """
## Terms

The data-use agreement of ADNI applies: the files must not be passed on.
"""
_WRITTEN_HERE = re.compile(r"(?:\..*)?sub-.*_(?:T1w\.(?:nii\.gz|json)|(?:scans|sessions)\.tsv)")


def write_dataset(
    bids: Path,
    scans: pd.DataFrame,
    ledger: pd.DataFrame,
    *,
    source: Source,
    criteria: Iterable[str],
) -> None:
    """Write everything but the images, and remove what is there of scans that no longer belong.

    Args:
        bids: the dataset, with the images of `scans` and their sidecars.
        scans: the scans that belong, with the columns of `INGESTED`.
        ledger: every image found, as `keep_ledger` returns it.
        source: where the images are from (`cohort.source`).
        criteria: what decided between images of a session, most important first.
    """
    tables = _write_tables(bids, _join(scans, ledger))
    images = [bids / image for image in scans["image"]]
    _remove_others(bids, {*tables, *images, *map(sidecar_path, images)})
    for name, dictionary in {
        "participants": PARTICIPANTS,
        "sessions": SESSIONS,
        "scans": SCANS,
    }.items():
        write_json(bids / f"{name}.json", dictionary)
    write_text(bids / "README.md", _readme(source, criteria))
    write_json(
        bids / "dataset_description.json",
        {
            "Name": _NAMES[source],
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "GeneratedBy": generated_by(),
        },
    )


def _readme(source: Source, criteria: Iterable[str]) -> str:
    steps = [f"{n}. {CRITERIA.get(name, name)} (`{name}`)" for n, name in enumerate(criteria, 1)]
    return _README.format(
        name=_NAMES[source],
        criteria="\n".join(steps),
        flags="\n".join(f"- `{flag}`: {meaning}" for flag, meaning in FLAGS.items()),
        terms=_TERMS if source == "adni" else "",
    )


def _join(scans: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """The table of scans with what the ledger knows of their images, under the tables' names."""
    names = {
        "subject": "archive_id",
        "series_id": "series_id",
        "description": "series_description",
        "kind": "image_kind",
        "format": "source_format",
        "place": "source",
        "detail": "note",
        "acquired": "acq_time",
    }
    known = ledger[["image", *names]].rename(columns=names)
    joined = scans.merge(known.dropna(subset=["image"]), on="image", validate="one_to_one")
    whole = ["image_id", "series_id", "months", "age_offset_days", "diagnosis_offset_days"]
    joined = joined.astype({name: "Int64" for name in whole})
    # A day without a time is none that BIDS can express.
    times = joined["acq_time"].astype("string")
    joined["acq_time"] = times.where(times.str.contains("T", na=False))
    for name in joined.columns[joined.dtypes.map(pd.api.types.is_string_dtype)]:
        joined[name] = joined[name].map(plain, na_action="ignore")
    keys = zip(joined["participant_id"], joined["session_id"], strict=True)
    tables = [scans_path(*key) for key in keys]
    return joined.assign(
        table=[table.as_posix() for table in tables],
        filename=[
            PurePosixPath(image).relative_to(table.parent).as_posix()
            for image, table in zip(joined["image"], tables, strict=True)
        ],
    )


def _write_tables(bids: Path, scans: pd.DataFrame) -> list[Path]:
    """Write the participants, sessions and scans tables; returns the latter two kinds."""
    written = []
    people = scans.groupby("participant_id", as_index=False).first()  # the first that is known
    write_tsv(people[["participant_id", *PARTICIPANTS]], bids / "participants.tsv")
    for participant_id, sessions in scans.groupby("participant_id"):
        written.append(bids / sessions_path(str(participant_id)))
        write_tsv(sessions[["session_id", *SESSIONS]], written[-1])
    for table, images in scans.groupby("table"):
        written.append(bids / str(table))
        write_tsv(images[["filename", "acq_time", *SCANS]], written[-1])
    return written


def _remove_others(bids: Path, belong: set[Path]) -> None:
    """Remove what an earlier or a killed run wrote and this one did not, and folders left empty."""
    for participant in sorted(bids.glob("sub-*")):
        if participant.is_symlink():  # os.walk would follow this one
            continue
        for folder, _, files in os.walk(participant, topdown=False):
            for name in files:
                path = Path(folder, name)
                if _WRITTEN_HERE.fullmatch(name) and path not in belong:
                    path.unlink()
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()
