"""What is known of images and scans on their way from the download to BIDS."""

import pyarrow as pa

# One row per image found: where it belongs and what is known on its day, or why it is left out.
PLANNED = pa.schema(
    [
        pa.field("image_id", pa.int64()),  # the archive's; null: none known, or not an archive
        pa.field("series_id", pa.int64()),
        pa.field("subject", pa.string()),  # as the download spells it: 002_S_0295
        pa.field("participant_id", pa.string()),
        pa.field("session_id", pa.string()),  # only of T1-weighted images
        pa.field("months", pa.int64()),
        pa.field("rank", pa.int64()),  # 0: first to be tried; null: left out
        pa.field("standing", pa.string()),  # JSON, criterion: value; the smaller value is better
        pa.field("reason", pa.string()),  # why left out
        pa.field("detail", pa.string()),
        pa.field("description", pa.string()),  # of the series
        pa.field("kind", pa.string()),  # original, processed
        pa.field("format", pa.string(), nullable=False),  # DICOM, NIfTI, other
        pa.field("files", pa.int64(), nullable=False),
        pa.field("place", pa.string(), nullable=False),  # first file or empty folder: the key
        pa.field("copies", pa.string()),  # other folders with the same bytes, joined by |
        pa.field("acquired", pa.string()),  # local time, ISO 8601
        pa.field("acquired_source", pa.string()),
        pa.field("age", pa.float64()),
        pa.field("age_source", pa.string()),
        pa.field("age_offset_days", pa.int64()),
        pa.field("sex", pa.string()),
        pa.field("sex_source", pa.string()),
        pa.field("diagnosis", pa.string()),
        pa.field("diagnosis_source", pa.string()),
        pa.field("diagnosis_offset_days", pa.int64()),
        pa.field("diagnosis_raw", pa.string()),
        pa.field("diagnosis_baseline", pa.string()),
        pa.field("field_strength", pa.float64()),  # as listed; conversion may know better
        pa.field("manufacturer", pa.string()),
        pa.field("flags", pa.string()),  # joined by |
    ]
)

# The images to try for each session of a bucket, best first.
CANDIDATES = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("image_id", pa.int64()),
        pa.field("place", pa.string(), nullable=False),  # the key of PLANNED
        pa.field("format", pa.string(), nullable=False),  # DICOM, NIfTI
        pa.field("files", pa.list_(pa.string()), nullable=False),  # relative to the download
        # Of their sizes, times and checksums: the bucket differs when a file was replaced, so that
        # Snakemake converts again. Null: a file cannot be read, or nobody has looked yet.
        pa.field("fingerprint", pa.string()),
        pa.field("slices", pa.int64()),  # expected by a table or the archive's metadata
        pa.field("slices_source", pa.string()),
    ]
)

# What became of each image that was tried; `reason` is null for the one that is used.
CONVERTED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("image_id", pa.int64()),
        pa.field("place", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("image", pa.string()),  # in the dataset
        pa.field("image_sha256", pa.string()),
        pa.field("field_strength", pa.float64()),  # tesla
        pa.field("manufacturer", pa.string()),
    ]
)

# One row per scan that reached BIDS. `image` is relative to the BIDS folder.
INGESTED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),  # sub-ADNI002S0295
        pa.field("session_id", pa.string(), nullable=False),  # ses-M012
        pa.field("months", pa.int64(), nullable=False),  # since the participant's first baseline
        pa.field("age", pa.float64()),  # years at the scan
        pa.field("age_source", pa.string()),
        pa.field("age_offset_days", pa.int64()),
        pa.field("sex", pa.string()),  # F, M
        pa.field("sex_source", pa.string()),
        pa.field("diagnosis", pa.string()),  # CN, MCI, AD at the scan
        pa.field("diagnosis_source", pa.string()),
        pa.field("diagnosis_offset_days", pa.int64()),
        pa.field("diagnosis_raw", pa.string()),  # as the table words it
        pa.field("diagnosis_baseline", pa.string()),  # CN, SMC, EMCI, LMCI, MCI, AD at enrolment
        pa.field("flags", pa.string()),  # what deserves a look, joined by |
        pa.field("field_strength", pa.float64()),  # tesla
        pa.field("manufacturer", pa.string()),
        pa.field("image_id", pa.int64()),  # null: not from an archive
        pa.field("image", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
    ]
)
