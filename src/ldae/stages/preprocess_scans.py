"""One bucket of scans: bias-corrected, brain-extracted, registered, on the models' grid."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import Preprocessing, Section
from ldae.devices import lease
from ldae.errors import UserError
from ldae.preprocessing.outputs import RAW, Outputs, outputs_of, write_description
from ldae.preprocessing.threads import use_threads
from ldae.progress import Tally
from ldae.tables import CONVERTED, KEYS, PREPROCESSED, read_table, write_table

log = logging.getLogger(__name__)


class Settings(Section):
    """What preprocessing depends on."""

    preprocessing: Preprocessing


def preprocess_scans(
    *,
    bucket: Path,
    bids: Path,
    derivatives: Path,
    table: Path,
    network: Path | None = None,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Preprocess the scans of a bucket; what stands there from the same image and settings is kept.

    A scan that cannot be preprocessed becomes a row with its reason, and the others go on.

    Args:
        bucket: Parquet table of converted images, with the columns of `CONVERTED`.
        bids: the raw dataset.
        derivatives: the derivative dataset, shared by all buckets.
        table: Parquet table to write, one row per scan.
        network: folder of the network's files, for brain extraction by antspynet.
        devices: GPUs of brain extraction by antspynet; 0: the CPU, as for everything else.
        threads: of ITK; results are repeatable to the byte with 1.
        settings: sections of the configuration.

    Raises:
        UserError: if the bucket is not a table of converted images, an image of it is missing, or
            the brain extraction's software or files are.
    """
    use_threads(threads)
    lease(devices)  # before TensorFlow takes all that it sees
    tried = read_table(bucket, CONVERTED)
    scans = tried[tried["image"].notna()].sort_values(KEYS)
    write_description(derivatives, raw=Path(os.path.relpath(bids, derivatives)).as_posix())
    rows = []
    tally = Tally(f"bucket {bucket.stem}", len(scans))
    for scan in scans.to_dict("records"):
        names = {name: scan[name] for name in KEYS}
        image = bids / scan["image"]
        if not image.is_file():
            raise UserError(
                f"{bucket}: {image} does not exist; convert it again: ldae convert-images"
            )
        participant_id, session_id = names.values()
        outputs = outputs_of(
            participant_id, session_id, settings.preprocessing, derivatives=derivatives
        )
        started = time.process_time()
        result = _preprocess(
            image,
            outputs,
            settings.preprocessing,
            sha256=scan["image_sha256"],
            reference=f"bids:{RAW}:{scan['image']}",
            network=network,
        )
        if result["failure"] is None:
            for kind in ("volume", "mask"):
                result[kind] = getattr(outputs, kind).relative_to(derivatives).as_posix()
        seconds = round(time.process_time() - started, 3)
        rows.append(names | result | {"seconds": seconds})
        log.info("%s %s: %s (%.1f CPU s)", *names.values(), result["failure"] or "ready", seconds)
        tally.add()
    frame = pd.DataFrame(rows, columns=PREPROCESSED.names)
    write_table(frame, table, PREPROCESSED)


def _preprocess(
    image: Path,
    outputs: Outputs,
    settings: Preprocessing,
    *,
    sha256: str,
    reference: str,
    network: Path | None,
) -> dict[str, Any]:
    """Failure, or checksum and quality figures, of one scan."""
    # ITK reads its thread count when ANTs, which these import, is first imported.
    from ldae.preprocessing.failure import ScanError  # noqa: PLC0415
    from ldae.preprocessing.scan import is_finished, preprocess_scan  # noqa: PLC0415
    from ldae.preprocessing.source import Source, find_aids  # noqa: PLC0415

    try:
        aids = find_aids(image, settings.brain, network)
        source = Source(image, sha256, reference, aids)
        if not is_finished(source, outputs, settings):
            preprocess_scan(source, outputs, settings)
    except ScanError as failure:
        outputs.remove()
        return {"failure": str(failure)}
    made = json.loads(outputs.quality.read_text(encoding="utf-8"))
    return {
        "failure": None,
        "volume_sha256": made["volume_sha256"],
        **{f"qc_{name}": value for name, value in made["quality"].items()},
    }
