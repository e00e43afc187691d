"""Planned and converted images as tables, written by hand."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from ldae.tables import CONVERTED, PLANNED

Row = dict[str, Any]
MakeRow = Callable[..., Row]
CRITERIA = ("processed", "repeat", "accelerated", "higher_image_id")


@pytest.fixture
def found() -> MakeRow:
    """One row of `PLANNED`: a T1-weighted image, left out if `reason` is given."""

    def row(number: int | None, subject: str | None = "002_S_0295", months: int = 0, **more) -> Row:
        rank = more.pop("rank", 0)
        lost = more.get("reason") is not None
        standing = dict.fromkeys(CRITERIA, 0) | {"higher_image_id": number or 0}
        standing |= more.pop("standing", {})
        label = f"sub-ADNI{subject.replace('_', '')}" if subject else None
        placed = {
            "session_id": f"ses-M{months:03d}",
            "months": months,
            "rank": rank,
            "standing": json.dumps(standing),
        }
        return (
            dict.fromkeys(PLANNED.names)
            | {
                "image_id": number,
                "series_id": 5000 + number if number else None,
                "subject": subject,
                "participant_id": label,
                "description": "MPRAGE",
                "kind": "original",
                "format": "DICOM",
                "files": 12,
                "place": f"ADNI/{subject}/MPRAGE/I{number}/a_I{number}.dcm",
                "acquired": f"2011-03-{1 + months:02d}T16:12:08",
                "acquired_source": "image header",
                "age": 75.5 + months / 12,
                "age_source": "metadata",
                "age_offset_days": 0,
                "sex": "M",
                "sex_source": "ADNIMERGE",
                "diagnosis": "CN",
                "diagnosis_source": "DXSUM",
                "diagnosis_offset_days": -3,
                "diagnosis_raw": "1",
                "diagnosis_baseline": "SMC",
                "field_strength": 1.5,
            }
            | ({} if lost else placed)
            | more
        )

    return row


@pytest.fixture
def fate() -> MakeRow:
    """What became of a planned row that was tried: the image, or `reason`."""

    def row(planned: Row, reason: str | None = None, detail: str | None = None) -> Row:
        names = (planned["participant_id"], planned["session_id"])
        image = f"{names[0]}/{names[1]}/anat/{names[0]}_{names[1]}_T1w.nii.gz"
        made = {
            "image": image,
            "image_sha256": f"{planned['image_id'] or 0:x}",
            "field_strength": 3.0,
            "manufacturer": "Siemens",
        }
        return (
            dict.fromkeys(CONVERTED.names)
            | {name: planned[name] for name in ("participant_id", "session_id")}
            | {"image_id": planned["image_id"], "place": planned["place"]}
            | (made if reason is None else {"reason": reason, "detail": detail})
        )

    return row


def frame(rows: list[Row], schema: pa.Schema) -> pd.DataFrame:
    """The rows as a stage reads them from Parquet."""
    return pa.Table.from_pylist(rows, schema=schema).to_pandas()


@pytest.fixture(name="frame")
def frame_fixture() -> Callable[[list[Row], pa.Schema], pd.DataFrame]:
    return frame
