"""What preprocessing leaves, and the one table that every model reads."""

import pyarrow as pa

from ldae.tables.cohort import INGESTED

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
