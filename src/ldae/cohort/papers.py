"""Everything written about participants: which tables there are, and in which files and spelling.

The tables are of several ages and went through several hands, as in a real download: dated,
prefixed and undated names; commas and semicolons; with and without a byte order mark.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ldae.cohort import image_tables, metadata, study_tables
from ldae.cohort.clinic import Subject
from ldae.cohort.delivery import File
from ldae.cohort.exam import Series
from ldae.cohort.layout import OLD
from ldae.cohort.study_tables import Row

Papers = dict[str, list[Row]]  # rows by table

METADATA = "METADATA"  # not a table: one XML document per row


@dataclass(frozen=True)
class Sheet:
    """A file of a table and how it is spelled."""

    path: str
    delimiter: str = ","
    encoding: str = "utf-8"
    newline: str = "\n"
    quoted: bool = False  # every cell
    index: bool = False  # a nameless first column that counts the rows


SHEETS = {
    "COLLECTION_2018": Sheet("Synthetic_2_13_2018.csv", quoted=True),
    "COLLECTION_2026": Sheet("Synthetic_1_28_2026.csv", quoted=True),
    "SEARCH": Sheet("idaSearch_1_28_2026.csv", quoted=True),
    "RESAVED": Sheet("my scans.csv", ";", "utf-8-sig", "\r\n", index=True),
    "ADNIMERGE": Sheet("study_files/ADNIMERGE_18Feb2025.csv", quoted=True),
    "DXSUM": Sheet("study_files/DXSUM_28Jan2026.csv", newline="\r\n", encoding="utf-8-sig"),
    "DXSUM_2025": Sheet("study_files/All_Subjects_DXSUM_07Sep2025.csv"),
    "REGISTRY": Sheet("study_files/REGISTRY_28Jan2026.csv"),
    "PTDEMOG": Sheet("study_files/PTDEMOG.csv", ";", "utf-8-sig", "\r\n"),
    "STUDY_ENTRY": Sheet("study_files/T1w_MRI_Cohort__67_Subjects_Study_Entry_05Oct2025.csv"),
    "MRIQC": Sheet("study_files/All_Subjects_MRIQC_28Jan2026.csv", index=True),
    "MRIQUALITY": Sheet("study_files/MRIQUALITY.csv", encoding="latin-1"),
    "MAYO_QC": Sheet("study_files/MAYOADIRL_MRI_IMAGEQC_12_08_15.csv"),
    "MPRAGEMETA": Sheet("study_files/MPRAGEMETA.csv", quoted=True),
}


def describe(
    subject: Subject, images: Sequence[Series], *, collection: str, voxel_mm: float
) -> Papers:
    """What is written about one participant and the images of theirs.

    The tables of subjects have a row per visit, those of images one per image, in order.
    """
    old = collection == OLD
    scans = [item for item in images if item.is_t1w]
    listed = [image_tables.collection(item, old=old) for item in images]
    diagnoses = study_tables.dxsum(subject)
    return {
        "COLLECTION_2018": listed if old else [],
        "COLLECTION_2026": [] if old else listed,
        "SEARCH": [] if old else [image_tables.search(item) for item in images],
        "ADNIMERGE": study_tables.adnimerge(subject, images),
        "DXSUM": diagnoses,
        "DXSUM_2025": study_tables.outdated(diagnoses),
        "REGISTRY": study_tables.registry(subject),
        "PTDEMOG": study_tables.ptdemog(subject),
        "STUDY_ENTRY": study_tables.study_entry(subject),
        "MRIQC": [image_tables.mriqc(item, voxel_mm=voxel_mm) for item in images],
        "MRIQUALITY": [image_tables.mriquality(item) for item in scans] if old else [],
        "MPRAGEMETA": [image_tables.mpragemeta(item) for item in scans] if old else [],
        METADATA: [] if old else [metadata.metadata(item, voxel_mm=voxel_mm) for item in images],
    }


def file_papers(everyone: Iterable[Papers]) -> list[File]:
    """The tables and the metadata zip of a download."""
    collected = list(everyone)
    files = []
    for table, sheet in SHEETS.items():
        rows = [row for papers in collected for row in papers.get(table, [])]
        if rows:
            files.append(File(sheet.path, _spell(rows, sheet)))
    return files + [
        File(metadata.file_name(row), metadata.to_xml(row), metadata.ARCHIVE)
        for papers in collected
        for row in papers[METADATA]
    ]


def _spell(rows: Sequence[Row], sheet: Sheet) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=sheet.delimiter,
        quoting=csv.QUOTE_ALL if sheet.quoted else csv.QUOTE_MINIMAL,
        lineterminator=sheet.newline,
    )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer.writerow([""] * sheet.index + columns)
    for number, row in enumerate(rows):
        writer.writerow([number] * sheet.index + [row.get(name) for name in columns])
    return text.getvalue().encode(sheet.encoding)
