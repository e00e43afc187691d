"""One bucket of scans: bias-corrected, brain-extracted, registered, on the models' grid."""

import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ldae.config import Preprocessing, Section
from ldae.errors import UserError
from ldae.tables import PREPROCESSED, read_tsv, write_table

if TYPE_CHECKING:
    from ldae.preprocessing.outputs import Outputs

log = logging.getLogger(__name__)

BUCKET_COLUMNS = ["participant_id", "session_id", "image", "image_sha256"]
QUALITY = ("brain_ml", "template_dice", "template_correlation")


class Settings(Section):
    """What preprocessing depends on."""

    preprocessing: Preprocessing


def preprocess_scans(
    *,
    bucket: Path,
    bids: Path,
    derivatives: Path,
    table: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Preprocess the scans of a bucket; what stands there from the same image and settings is kept.

    A scan that cannot be preprocessed becomes a row with its reason, and the others go on.

    Args:
        bucket: TSV of participant_id, session_id, image (below `bids`), image_sha256.
        bids: the raw dataset.
        derivatives: the derivative dataset, shared by all buckets.
        table: Parquet table to write, one row per scan.
        threads: of ITK; results are repeatable to the byte with 1.
        settings: sections of the configuration.

    Raises:
        UserError: if the bucket is not a table of scans or an image of it is missing.
    """
    # ITK reads this once, when ANTs is first imported.
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    from ldae.preprocessing.outputs import outputs_of, write_description  # noqa: PLC0415

    scans = read_tsv(bucket)
    missing = [name for name in BUCKET_COLUMNS if name not in scans.columns]
    if missing:
        raise UserError(
            f"{bucket}: no columns {', '.join(missing)}; make the buckets again: ldae ingest"
        )
    write_description(derivatives, sources=[Path(os.path.relpath(bids, derivatives)).as_posix()])
    rows = []
    for scan in scans.sort_values(["participant_id", "session_id"]).to_dict("records"):
        image = bids / scan["image"]
        if not image.is_file():
            raise UserError(
                f"{bucket}: {image} does not exist; make the dataset again: ldae ingest"
            )
        outputs = outputs_of(
            scan["participant_id"],
            scan["session_id"],
            settings.preprocessing,
            derivatives=derivatives,
        )
        started = time.process_time()
        result = _preprocess(image, outputs, settings.preprocessing, scan["image_sha256"])
        if result["failure"] is None:
            for kind in ("volume", "mask"):
                result[kind] = getattr(outputs, kind).relative_to(derivatives).as_posix()
        seconds = round(time.process_time() - started, 3)
        names = {name: scan[name] for name in ("participant_id", "session_id")}
        rows.append(names | result | {"seconds": seconds})
        log.info("%s %s: %s (%.1f CPU s)", *names.values(), result["failure"] or "ready", seconds)
    frame = pd.DataFrame(rows, columns=PREPROCESSED.names)
    write_table(frame, table, PREPROCESSED)


def _preprocess(
    image: Path, outputs: "Outputs", settings: Preprocessing, image_sha256: str
) -> dict[str, Any]:
    """Failure, or checksum and quality figures, of one scan."""
    from ldae.preprocessing.failure import ScanError  # noqa: PLC0415  (after the thread count)
    from ldae.preprocessing.scan import is_finished, preprocess_scan  # noqa: PLC0415

    if not is_finished(outputs, settings, image_sha256=image_sha256):
        try:
            preprocess_scan(image, outputs, settings, image_sha256=image_sha256)
        except ScanError as failure:
            outputs.remove()
            return {"failure": str(failure)}
    made = json.loads(outputs.quality.read_text(encoding="utf-8"))
    return {
        "failure": None,
        "volume_sha256": made["volume_sha256"],
        **{f"qc_{name}": made["quality"][name] for name in QUALITY},
    }
