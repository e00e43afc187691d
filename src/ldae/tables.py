"""The tables that stages exchange: their columns, read and written so that nothing else passes.

Parquet tables are typed by an Arrow schema; TSV tables (BIDS, `images.tsv`) hold text, with `n/a`
for missing.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ldae.errors import UserError
from ldae.runtime import atomic_path

KEYS = ["participant_id", "session_id"]

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

# What preprocessing says of one scan; `volume` and `mask` are relative to the derivatives folder.
PREPROCESSED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("failure", pa.string()),  # why there is no volume; null when there is one
        pa.field("volume", pa.string()),
        pa.field("mask", pa.string()),
        pa.field("volume_sha256", pa.string()),
        pa.field("qc_brain_ml", pa.float64()),  # in native space
        pa.field("qc_border_cm2", pa.float64()),  # of brain at the edge of the field of view
        pa.field("qc_snr", pa.float64()),  # white matter: mean over standard deviation
        pa.field("qc_cjv", pa.float64()),  # joint variation of grey and white matter
        pa.field("qc_template_dice", pa.float64()),
        pa.field("qc_template_correlation", pa.float64()),
        pa.field("qc_symmetry", pa.float64()),  # correlation with the mirror image
        pa.field("seconds", pa.float64()),  # CPU time spent on the scan
    ]
)

# The one table every model reads: scans that passed, with their side of the split.
SCANS = pa.schema(
    [
        *INGESTED,
        *[
            pa.field(PREPROCESSED.field(name).name, PREPROCESSED.field(name).type, nullable=False)
            for name in ("volume", "mask", "volume_sha256")
        ],
        *[field for field in PREPROCESSED if field.name.startswith("qc_")],
        pa.field("split", pa.string(), nullable=False),  # train, validation, test
    ]
)


# Scores of one reconstruction of one scan; `steps` is 0 where nothing is sampled.
RECONSTRUCTED = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("start", pa.string(), nullable=False),
        pa.field("steps", pa.int64(), nullable=False),
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("ssim", pa.float64()),
        pa.field("ms_ssim", pa.float64()),  # null: see `not_computed` of tables/reconstruction.csv
        pa.field("lpips", pa.float64()),
        pa.field("mse", pa.float64()),
        pa.field("psnr", pa.float64()),  # dB
        pa.field("ssim_brain", pa.float64()),
        pa.field("mse_brain", pa.float64()),
    ]
)

# What a probe says of one test scan; of CN, MCI and AD the likeliest as 0, 1 or 2.
PREDICTED = pa.schema(
    [
        pa.field("encoder", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),  # see metrics/tasks.py
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("truth", pa.float64(), nullable=False),  # 1 for AD, or years; or 0, 1, 2
        pa.field("prediction", pa.float64(), nullable=False),  # probability of AD, or years; or 0 …
        pa.field("probability_cn", pa.float64()),  # where three diagnoses are told apart
        pa.field("probability_mci", pa.float64()),
        pa.field("probability_ad", pa.float64()),
    ]
)

# Scores of one answer to what a session between two others looks like.
INTERPOLATED = pa.schema(
    [
        pa.field("method", pa.string(), nullable=False),
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("start_session", pa.string(), nullable=False),
        pa.field("middle_session", pa.string(), nullable=False),  # what is to be answered
        pa.field("end_session", pa.string(), nullable=False),
        pa.field("gap_months", pa.int64(), nullable=False),  # class: see `interpolation.gaps`
        pa.field("true_gap_months", pa.int64(), nullable=False),
        pa.field("fraction", pa.float64(), nullable=False),  # of the gap, from start to middle
        pa.field("ssim", pa.float64(), nullable=False),
        pa.field("mse", pa.float64(), nullable=False),
        pa.field("ssim_decoded", pa.float64(), nullable=False),  # to the scan's decoded latent
        pa.field("mse_decoded", pa.float64(), nullable=False),
        pa.field("ssim_brain", pa.float64(), nullable=False),
        pa.field("mse_brain", pa.float64(), nullable=False),
    ]
)

# One test scan with its code moved; `*_of_code` is read from the moved code, without an image.
MANIPULATED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("diagnosis", pa.string()),
        pa.field("direction", pa.string(), nullable=False),  # ad_vs_cn, age, random
        pa.field("strength", pa.float64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of AD, of the image encoded again
        pa.field("age", pa.float64(), nullable=False),  # years, likewise
        pa.field("probability_of_code", pa.float64(), nullable=False),
        pa.field("age_of_code", pa.float64(), nullable=False),
        pa.field("ventricle_ml", pa.float64()),
        pa.field("hippocampus_ml", pa.float64()),
        pa.field("changed_share", pa.float64()),  # of the brain, against strength 0
        pa.field("change_focus", pa.float64()),
        pa.field("ssim_outside", pa.float64()),
        pa.field("mse_outside", pa.float64()),
    ]
)

# What probes read from samples of one code; sample 0 is the scan itself.
VARIED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("sample", pa.int64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of AD
        pa.field("age", pa.float64(), nullable=False),  # years
        pa.field("ssim_same_code", pa.float64()),  # to the next sample of the same code
        pa.field("mse_same_code", pa.float64()),  # inside the brain
        pa.field("ssim_same_noise", pa.float64()),  # to the next subject's sample of the same z_T
        pa.field("mse_same_noise", pa.float64()),
    ]
)

# What a supervised encoder says of every scan, on whichever side of the split.
SUPERVISED_PREDICTIONS = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("prediction", pa.float64(), nullable=False),  # probability of AD, or years
    ]
)


def scan_names(rows: pd.DataFrame) -> list[str]:
    """How messages call the scans of `rows`."""
    names: list[str] = rows[KEYS].agg("_".join, axis=1).tolist()
    return names


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a Parquet table whose columns must be exactly those of `schema`."""
    try:
        table = pq.read_table(path)
        _require_columns(table.schema.names, schema.names, path)
        frame: pd.DataFrame = table.cast(schema).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as the table it should be ({error})") from None
    return frame


def _require_columns(found: list[str], wanted: list[str], path: Path) -> None:
    if found != wanted:
        missing = [name for name in wanted if name not in found]
        extra = [name for name in found if name not in wanted]
        raise UserError(f"{path}: wrong columns (missing: {missing}; unknown: {extra}); remake it")


def write_table(frame: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write `frame` as Parquet with exactly the columns and types of `schema`, atomically."""
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(None), temporary)


def read_tsv(path: Path) -> pd.DataFrame:
    """Read a BIDS-style TSV as text; `n/a` becomes missing."""
    try:
        return pd.read_csv(path, sep="\t", dtype=str, na_values=["n/a"], keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are kinds of ValueError
        raise UserError(f"{path}: cannot be read as a TSV table ({error})") from None


def write_tsv(frame: pd.DataFrame, path: Path) -> None:
    """Write a BIDS-style TSV, atomically; missing values become `n/a`."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a result table, atomically; what could not be computed stays empty."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
