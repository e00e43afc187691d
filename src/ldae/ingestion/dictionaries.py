"""What the columns of the dataset's tables, its flags and its selection criteria mean."""

from collections.abc import Mapping
from typing import Any

Dictionary = Mapping[str, Mapping[str, Any]]

# What deserves a look, though the scan counts.
FLAGS = {
    "age_sources_differ": "sources put the age more than a year apart",
    "baseline_unknown": "no table dates the baseline; months count from the first scan",
    "date_sources_differ": "sources put the scan more than a day apart",
    "diagnosis_bracketed": "diagnosis from equal ones before and after, the nearest visit has none",
    "diagnosis_distant": "the diagnosis was made long before or after the scan",
    "diagnosis_reverted": "a more severe diagnosis before, or a milder one after; kept as recorded",
    "diagnosis_sources_differ": "another table has another diagnosis of the same day",
    "implausible_age": "the age given is none of a person and is left out",
    "months_by_order": "no time between sessions is known; months only count them",
    "unknown_diagnosis": "the diagnosis is in words that stand for none of CN, MCI, AD",
}

# What decides between the T1-weighted images of a session: what comes first.
CRITERIA = {
    "processed": "original images before processed ones",
    "original": "processed images before original ones",
    "less_processed": "of processed images, the fully processed one",
    "failed_archive_quality": "images that did not fail the archive's quality control",
    "no_distortion_correction": "images with distortion correction",
    "other_field_strength": "images of the preferred field strength",
    "archive_not_selected": "images that the archive's quality control selected",
    "repeat": "first scans before repeats",
    "accelerated": "unaccelerated scans",
    "later_exam": "the earlier exam",
    "nifti_copy": "DICOM before NIfTI copies of the same image",
    "later_series": "the earlier series of an exam",
    "higher_image_id": "the lower image number",
    "later_name": "the first file by name",
}

PARTICIPANTS: Dictionary = {
    "archive_id": {"Description": "Subject id as the source spells it"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "sex_source": {"Description": "Where the sex is from"},
    "diagnosis_baseline": {
        "Description": "Diagnosis at enrolment",
        "Levels": {
            "CN": "cognitively normal",
            "SMC": "cognitively normal with significant concern about memory",
            "EMCI": "early mild cognitive impairment",
            "LMCI": "late mild cognitive impairment",
            "MCI": "mild cognitive impairment, early or late",
            "AD": "dementia",
        },
    },
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
        "Description": "Diagnosis at the scan, by date; n/a if none was made near enough",
        "Levels": {
            "CN": "cognitively normal, with or without concern about memory",
            "MCI": "mild cognitive impairment, early or late",
            "AD": "dementia of any kind, as a convention",
        },
    },
    "diagnosis_source": {"Description": "Table the diagnosis is from"},
    "diagnosis_offset_days": {
        "Description": "Days from the scan to the day of the diagnosis",
        "Units": "d",
    },
    "diagnosis_raw": {"Description": "The diagnosis as its table words it"},
    "flags": {
        "Description": "What deserves a look, joined by |. "
        + "; ".join(f"{flag}: {meaning}" for flag, meaning in FLAGS.items())
    },
}
SCANS: Dictionary = {
    "image_id": {"Description": "Number of the image in the archive"},
    "series_id": {"Description": "Number of the acquisition in the archive"},
    "series_description": {"Description": "Name of the series"},
    "image_kind": {
        "Description": "What the archive delivered",
        "Levels": {"original": "as scanned", "processed": "corrected by the archive"},
    },
    "source_format": {
        "Description": "What the image was made from",
        "Levels": {"DICOM": "converted by dcm2niix", "NIfTI": "taken as it is"},
    },
    "source": {"Description": "First file of the image in the download"},
    "field_strength": {"Description": "Field strength of the scanner", "Units": "T"},
    "manufacturer": {"Description": "Manufacturer of the scanner"},
    "note": {"Description": "Which better images of the session could not be used, and why"},
}
