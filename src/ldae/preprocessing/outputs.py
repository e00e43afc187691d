"""The derivative files of one scan, and the description of the dataset they stand in."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ldae import bids
from ldae.config import Preprocessing
from ldae.origin import generated_by
from ldae.runtime import write_text

LINEAR_EXTENSION = ".txt"  # ITK text transform
DEFORMABLE_EXTENSION = ".h5"  # ITK composite transform
IGNORED = "figures\n**/*_xfm.*\n**/*_desc-qc.json\n"  # what BIDS 1.10 has no rule for
OURS = ("desc-qc.json", "desc-brain_mask.*", f"space-{bids.TEMPLATE}_res-*_desc-*", "from-*_xfm.*")
RAW = "raw"  # the name by which BIDS URIs call the dataset the images are from


@dataclass(frozen=True)
class Outputs:
    """Where the files of one scan go. `quality` is written last: with it the scan is finished."""

    volume: Path
    volume_sidecar: Path
    mask: Path
    mask_sidecar: Path
    native_mask: Path
    native_mask_sidecar: Path
    transform: Path
    inverse: Path
    figure: Path
    quality: Path

    def __iter__(self) -> Iterator[Path]:
        return (getattr(self, field.name) for field in fields(self))

    def remove(self) -> None:
        """Remove what an earlier run left of the scan, with other settings or killed, too."""
        for path in reversed(list(self)):
            path.unlink(missing_ok=True)
            _remove_all(path.parent, f".*.{path.name}")
        for path in (self.volume, self.mask):
            before, after = path.name.split("_res-")
            pattern = f"{before}_res-*_{after.partition('_')[2].partition('.')[0]}.*"
            _remove_all(path.parent, pattern)
        for path in (self.transform, self.inverse):
            _remove_all(path.parent, f"{path.name.partition('.')[0]}.*")


def outputs_of(
    participant_id: str, session_id: str, settings: Preprocessing, *, derivatives: Path
) -> Outputs:
    """The files of a session's scan below `derivatives`."""
    scan = (participant_id, session_id)
    spacing_mm = settings.grid.spacing_mm
    volume = derivatives / bids.volume_path(*scan, spacing_mm=spacing_mm)
    mask = derivatives / bids.mask_path(*scan, spacing_mm=spacing_mm)
    native_mask = derivatives / bids.native_mask_path(*scan)
    deformable = settings.registration.transform == "syn"
    extension = DEFORMABLE_EXTENSION if deformable else LINEAR_EXTENSION
    return Outputs(
        volume=volume,
        volume_sidecar=bids.sidecar_path(volume),
        mask=mask,
        mask_sidecar=bids.sidecar_path(mask),
        native_mask=native_mask,
        native_mask_sidecar=bids.sidecar_path(native_mask),
        transform=derivatives / bids.transform_path(*scan, extension=extension),
        inverse=derivatives / bids.inverse_transform_path(*scan, extension=extension),
        figure=derivatives / bids.figure_path(*scan),
        quality=derivatives / bids.quality_path(*scan),
    )


def write_description(derivatives: Path, *, raw: str | None) -> None:
    """Write `dataset_description.json` where it is not the same; any job writes the same bytes.

    `raw` is the dataset the images are from, relative to `derivatives`; None for an image that
    stands in no dataset.
    """
    description: dict[str, Any] = {
        "Name": "T1-weighted brains in template space",
        "BIDSVersion": bids.BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": generated_by(),
    }
    if raw is not None:
        description |= {"SourceDatasets": [{"URL": raw}], "DatasetLinks": {RAW: raw}}
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    for name, content in ((".bidsignore", IGNORED), ("dataset_description.json", text)):
        path = derivatives / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            write_text(path, content)


def remove_strangers(derivatives: Path, known: set[tuple[str, str]]) -> int:
    """Remove the files of sessions that are not `known`, as (participant, session); how many.

    Only files that this room writes are touched, and folders that are empty then.
    """
    removed = 0
    for quality in sorted(derivatives.glob("sub-*/ses-*/anat/*_desc-qc.json")):
        anat = quality.parent
        session = anat.parent
        if (session.parent.name, session.name) in known:
            continue
        scan = f"{session.parent.name}_{session.name}"
        figures = session.parent / "figures"
        removed += sum(_remove_all(anat, f"{scan}_{ours}") for ours in OURS)
        removed += _remove_all(figures, f"{scan}_desc-qc_T1w.png")
        for folder in (anat, session, figures, session.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return removed


def _remove_all(folder: Path, pattern: str) -> int:
    found = list(folder.glob(pattern))
    for path in found:
        path.unlink()
    return len(found)
