"""Ingestion as a run performs it, by the stage functions or by the command line."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from ldae.config import Section
from ldae.runtime import RECORDS
from ldae.stages import convert_images, export_bids, index_download
from ldae.tables import INGESTED, read_table, read_tsv

SETTINGS: dict[str, dict[str, object]] = {
    "cohort": {"source": "adni", "download": None},
    "selection": {
        "prefer": "original",
        "prefer_tesla": 1.5,
        "archive_quality": "require",
        "min_slices": 10,
        "max_voxel_mm": 12.0,
        "min_extent_mm": 100.0,
        "max_image_mb": 64.0,
    },
    "matching": {"near_days": 90, "distant_days": 183, "bracket_days": 400},
    "ingestion": {"max_failed_fraction": 1.0},
}
STAGES = {
    "index-download": index_download,
    "convert-images": convert_images,
    "export-bids": export_bids,
}


@dataclass(frozen=True)
class Ingested:
    """What a run left."""

    results: Path
    ledger: pd.DataFrame  # cohort/images.tsv
    scans: pd.DataFrame  # cohort/ingested.parquet

    @property
    def bids(self) -> Path:
        """The dataset."""
        return self.results / "bids"

    @property
    def used(self) -> dict[int, str]:
        """Session of each image in the dataset."""
        return dict(zip(self.scans["image_id"], self.scans["session_id"], strict=True))

    @property
    def reasons(self) -> dict[int, str]:
        """Reason of each image left out that has an id."""
        out = self.ledger[self.ledger["status"] == "excluded"].dropna(subset=["image_id"])
        return dict(zip(out["image_id"].astype(int), out["reason"], strict=True))

    @property
    def images(self) -> list[str]:
        """Every NIfTI file of the dataset."""
        return sorted(path.name for path in self.bids.rglob("*.nii*"))

    def row(self, image_id: int) -> pd.Series:
        """The one ledger row of an image."""
        rows = self.ledger[self.ledger["image_id"] == str(image_id)]
        assert len(rows) == 1, rows
        return rows.iloc[0]

    def scan(self, image_id: int) -> SimpleNamespace:
        """What is known of an image in the dataset; missing values are None, flags a set."""
        rows = self.scans[self.scans["image_id"] == image_id].astype(object)
        assert len(rows) == 1, self.scans
        facts = rows.where(rows.notna(), None).iloc[0].to_dict()
        facts["flags"] = set((facts["flags"] or "").split("|")) - {""}
        return SimpleNamespace(**facts)


def stage_settings(model: type[Section], **changes: object) -> Section:
    """The part of the settings that `model` reads, with single keys changed."""
    known = {key for section in SETTINGS.values() for key in section}
    assert set(changes) <= known, set(changes) - known
    values = {
        name: {key: changes.get(key, value) for key, value in section.items()}
        for name, section in SETTINGS.items()
    }
    return model.model_validate(_narrow(model, values))


def _narrow(model: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    """Only the keys `model` has, through all its sections."""
    return {
        key: _narrow(field.annotation, values[key])
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        else values[key]
        for key, field in model.model_fields.items()
    }


def steps(
    download: Path, results: Path, *, scans_per_job: int = 4
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The stages of a run in order, each with its arguments; the next follows from the last."""
    cohort = results / "cohort"
    planned, buckets = cohort / "planned.parquet", cohort / "buckets"
    places = {"download": download, "planned": planned, "buckets": buckets}
    yield "index-download", {**places, "scans_per_job": scans_per_job}
    converted = []
    for bucket in sorted(buckets.glob("*.parquet")):
        converted.append(cohort / "converted" / bucket.name)
        places = {"bucket": bucket, "download": download, "bids": results / "bids"}
        yield "convert-images", {**places, "table": converted[-1]}
    tables = {"planned": planned, "converted": converted, "bids": results / "bids"}
    tables |= {"images": cohort / "images.tsv", "ingested": cohort / "ingested.parquet"}
    yield "export-bids", {**tables, "attrition": cohort / "attrition.csv"}


def run_stages(
    download: Path, results: Path, *, scans_per_job: int = 4, **changes: object
) -> Ingested:
    """Ingest `download` as the workflow does: index it, convert bucket by bucket, export."""
    for name, arguments in steps(download, results, scans_per_job=scans_per_job):
        stage = STAGES[name]
        settings = stage_settings(stage.Settings, **changes)
        getattr(stage, name.replace("-", "_"))(**arguments, settings=settings)
    return read_results(results)


def words(name: str, arguments: Mapping[str, Any], **changes: object) -> list[str]:
    """What follows `ldae` on the command line of a stage."""
    settings = stage_settings(STAGES[name].Settings, **changes)
    said = [name, "--settings", settings.model_dump_json()]
    for key, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        said += [f"--{key.replace('_', '-')}", *map(str, values)]
    return said


def commands(
    download: Path, results: Path, *, scans_per_job: int = 4, **changes: object
) -> Iterator[list[str]]:
    """The processes of a run on the command line, one after the other."""
    call = "import sys; from ldae.cli import main; main(sys.argv[1:])"
    for name, arguments in steps(download, results, scans_per_job=scans_per_job):
        yield [sys.executable, "-c", call, *words(name, arguments, **changes)]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below `folder` with its bytes, and every folder; hidden ones too.

    Without the records of provenance, which commands write and mere calls of a stage do not.
    """
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if RECORDS not in path.parts
    }


def read_results(results: Path) -> Ingested:
    """What stands in `results`, checked for what holds of every run: totals add up."""
    ledger = read_tsv(results / "cohort/images.tsv")
    scans = read_table(results / "cohort/ingested.parquet", INGESTED)
    used, excluded = (ledger[ledger["status"] == status] for status in ("used", "excluded"))
    assert len(used) + len(excluded) == len(ledger)
    assert used["reason"].isna().all()
    assert excluded["reason"].notna().all()
    assert sorted(used["image"]) == sorted(scans["image"])
    assert all((results / "bids" / image).is_file() for image in scans["image"])
    return Ingested(results, ledger, scans)
