"""The study tables that ingestion can use: their names, their columns, what each alone knows.

Names and columns changed over the years (the archive's great renaming was in October 2024), so a
table goes by all its names and a column by all its aliases. The code knows one name of each: the
first. Names of columns are compared without regard to case and to anything but letters and digits.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_DATED = r"(?:_(?P<date>\d{1,2}[a-z]{3}\d{4}))?"
_COPY = r"(?: ?\((?P<copy>\d{1,3})\))?"  # as browsers number repeated downloads

_SUBJECT = {"PTID": ["ParticipantID", "Subject ID", "Subject"], "RID": []}
_VISIT = {"PHASE": [], "VISCODE": [], "VISCODE2": [], "EXAMDATE": ["VISDATE"]}
_MAYO: dict[str, list[str]] = {
    "loni_image": [],
    "series_quality": [],  # 1 to 3 usable, 4 failed
    "series_selected": [],  # for the analyses of the centre that rated it
}


@dataclass(frozen=True)
class TableKind:
    """One table of the study, however it is named, dated and spelt."""

    name: str
    names: tuple[str, ...]  # patterns of file names without prefix and date, the preferred first
    columns: Mapping[str, tuple[str, ...]]  # canonical name: all spellings, itself first
    needs: tuple[tuple[str, ...], ...]  # canonical columns, one of each group must be there
    telling: tuple[frozenset[str], ...]  # keys of columns that no other table has together
    every: bool  # all files of the kind count, not the newest alone
    costs: str  # what is unknown without it
    page: str | None  # where the archive has it; None: no longer

    def matches(self, file_name: str) -> tuple[int, str | None, int] | None:
        """Rank of the name, date and copy number if a file is named like this table."""
        for rank, pattern in enumerate(self.names):
            full = rf"(?:.*[^a-z0-9])?{pattern}{_DATED}{_COPY}\.csv"
            if match := re.fullmatch(full, file_name, re.IGNORECASE):
                return rank, match["date"], int(match["copy"] or 0)
        return None

    def has_telling_columns(self, header: Collection[str]) -> bool:
        """Whether a header, as `column_key` spells it, can only be that of this table."""
        return any(columns <= set(header) for columns in self.telling)

    def lacks(self, header: Collection[str]) -> str | None:
        """The columns without which the table is of no use, if a header lacks them."""
        missing = [
            " or ".join(group)
            for group in self.needs
            if not any(
                column_key(alias) in header for name in group for alias in self.columns[name]
            )
        ]
        return " and ".join(missing) or None


def column_key(name: str) -> str:
    """What is compared of a column's name: letters and digits, in lower case."""
    return re.sub(r"[\W_]+", "", name).lower()


def _kind(
    *names: str,
    name: str | None = None,
    columns: Mapping[str, list[str]],
    needs: list[str],
    telling: list[str],
    every: bool = False,
    costs: str,
    page: str | None,
) -> TableKind:
    return TableKind(
        name=name or names[0],
        names=names,
        columns={column: (column, *aliases) for column, aliases in columns.items()},
        needs=tuple(tuple(group.split()) for group in needs),
        telling=tuple(frozenset(group.split()) for group in telling),
        every=every,
        costs=costs,
        page=page,
    )


CATALOG: tuple[TableKind, ...] = (
    _kind(
        "ADNIMERGE",
        columns=_SUBJECT
        | {column: [] for column in ("VISCODE", "COLPROT", "ORIGPROT", "EXAMDATE", "EXAMDATE_bl")}
        | {column: [] for column in ("DX", "DX_bl", "AGE", "PTGENDER")},
        needs=["PTID RID", "EXAMDATE VISCODE"],
        telling=["rid viscode colprot origprot dxbl"],
        costs="baseline dates, ages to a tenth of a year, diagnoses at visits of ADNI1 to ADNI3",
        page="Study Files → Study Info → Key ADNI tables merged into one table [ADNIMERGE]",
    ),
    _kind(
        "DXSUM",
        "DXSUM_PDXCONV_ADNIALL",
        "DXSUM_PDXCONV",
        columns=_SUBJECT | _VISIT | {"DIAGNOSIS": [], "DXCURREN": [], "DXCHANGE": []},
        needs=["PTID RID", "DIAGNOSIS DXCURREN DXCHANGE"],
        telling=["rid dxnorm dxmci dxad"],
        costs="diagnoses at visits, all those of ADNI4",
        page="Study Files → Assessments → Diagnosis → Diagnostic Summary [DXSUM]",
    ),
    _kind(
        "REGISTRY",
        columns=_SUBJECT | _VISIT,
        needs=["PTID RID", "EXAMDATE"],
        telling=[],
        costs="dates of visits whose row in another table is undated",
        page="Study Files → Enrollment → Registry [REGISTRY]",
    ),
    _kind(
        "PTDEMOG",
        columns=_SUBJECT
        | {column: [] for column in ("PHASE", "VISCODE2", "PTGENDER", "PTDOB", "PTDOBMM")}
        | {"PTDOBYY": []},
        needs=["PTID RID", "PTGENDER PTDOB PTDOBYY"],
        telling=["rid ptgender pthand pteducat"],
        costs="sex, and ages from the year of birth, of participants whom no other table has",
        page="Study Files → Subject Characteristics → Subject Demographics [PTDEMOG]",
    ),
    _kind(
        "Study_Entry",
        name="STUDY_ENTRY",
        columns={
            "PTID": ["subject_id", "subject"],
            "entry_age": [],
            "entry_research_group": [],
            "entry_date": [],
        },
        needs=["PTID", "entry_age entry_research_group"],
        telling=["subjectid entryage entryresearchgroup"],
        costs="age and diagnosis at enrolment of participants whom ADNIMERGE lacks",
        page="ARC Builder → tables → Study Entry",
    ),
    _kind(
        name="IMAGE_LIST",
        columns={
            "list": [],  # filled in when read: collection, search or images
            "image_id": ["Image Data ID"],
            "series_id": [],
            "subject": ["Subject ID", "PTID"],
            "group": ["Research Group", "entry_research_group"],
            "sex": [],
            "age": [],
            "visit": ["image_visit", "mri_visit"],
            "description": ["image_description", "mri_description", "series_description"],
            "type": ["image_type"],
            "date": ["Acq Date", "Study Date", "image_date", "mri_date"],
            "tesla": ["mri_field_str"],
            "manufacturer": ["mri_mfr"],
        },
        needs=[],
        telling=[
            "imagedataid subject",
            "imageid subjectid",
            "imageid seriesid studyid",
            "subjectid sex age description type",
        ],
        every=True,
        costs="names, types, visits and ages of images as the archive lists them",
        page="Download → Image Collections → your collection → CSV, "
        "and Search → Advanced Image Search (tick Image ID, Visit, Study Date) → CSV Download",
    ),
    _kind(
        "MRIQC",
        columns={
            "image_id": ["LONIImage"],
            "LONISeries": [],
            "PTID": ["ParticipantID"],
            "VISCODE2": [],
            "StudyDate": [],
            "SeriesDescription": [],
            "SeriesQC": [],  # 1 passed, 4 failed
            "SlicesPerVolume": [],
            "MagneticFieldStrength": [],
            "ScannerManufacturer": [],
        },
        needs=["image_id"],
        telling=["imageid seriestype slicespervolume", "loniimage seriestype slicespervolume"],
        costs="how many slices an image must have (a series cut short may go unnoticed)",
        page="Study Files → Imaging → MR Image Quality → MAYO ADIR LAB MRI Quality [MRIQC]",
    ),
    _kind(
        "MPRAGEMETA",
        "MRILIST",
        columns={
            "subject": ["SubjectID"],
            "visit": [],
            "tesla": ["MagStrength"],
            "sequence": [],
            "date": ["ScanDate"],
            "series_id": [],
            "image_id": ["ImageUID"],
            "kind": ["Orig/Proc"],
        },
        needs=["image_id"],
        telling=["magstrength sequence scandate seriesid imageuid"],
        every=True,
        costs="nothing that newer tables do not know",
        page=None,
    ),
    _kind(
        "MRIPROT",
        "MRIQUALITY",
        name="MRIQUALITY",
        columns={"LONIUID": [], "PASS": []},
        needs=["LONIUID", "PASS"],
        telling=[],
        costs="which ADNI1 series failed the archive's quality control",
        page="Study Files → Imaging → MR Image Quality [MRIPROT]",
    ),
    _kind(
        "MAYOADIRL_MRI_IMAGEQC_05_07_15",
        "MAYOADIRL_MRI_IMAGEQC_12_08_15",
        name="MAYO_QC",
        columns=_MAYO,
        needs=["loni_image", "series_quality series_selected"],
        telling=[],
        costs="which ADNIGO and ADNI2 series failed quality control, and which were preferred",
        page="Study Files → Imaging → MR Image Quality [MAYOADIRL_MRI_IMAGEQC_05_07_15]",
    ),
    _kind(
        "MAYOADIRL_MRI_QUALITY_ADNI3",
        name="MAYO_QC_ADNI3",
        columns={name.upper(): [] for name in _MAYO},
        needs=["LONI_IMAGE", "SERIES_QUALITY SERIES_SELECTED"],
        telling=[],
        costs="which ADNI3 series failed quality control, and which were preferred",
        page="Study Files → Imaging → MR Image Quality [MAYOADIRL_MRI_QUALITY_ADNI3]",
    ),
)
