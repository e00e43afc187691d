"""The derivative files of one scan, and the description of the dataset they stand in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ldae import __version__, bids
from ldae.config import Preprocessing
from ldae.runtime import write_json, write_text

LINEAR_EXTENSION = ".txt"  # ITK text transform
DEFORMABLE_EXTENSION = ".h5"  # ITK composite transform
IGNORED = "figures\n**/*_xfm.*\n**/*_desc-qc.json\n"  # what BIDS 1.10 has no rule for


@dataclass(frozen=True)
class Outputs:
    """Where the files of one scan go. `quality` is written last: with it the scan is finished."""

    volume: Path
    volume_sidecar: Path
    mask: Path
    mask_sidecar: Path
    transform: Path
    inverse: Path
    figure: Path
    quality: Path

    def remove(self) -> None:
        """Remove the files an earlier run left at these paths.

        Those of another grid spacing or kind of transform have other names, and stay.
        """
        for field in reversed(fields(self)):
            getattr(self, field.name).unlink(missing_ok=True)


def outputs_of(
    participant_id: str, session_id: str, settings: Preprocessing, *, derivatives: Path
) -> Outputs:
    """The files of a session's scan below `derivatives`."""
    scan = (participant_id, session_id)
    spacing_mm = settings.grid.spacing_mm
    volume = derivatives / bids.volume_path(*scan, spacing_mm=spacing_mm)
    mask = derivatives / bids.mask_path(*scan, spacing_mm=spacing_mm)
    deformable = settings.registration.transform == "syn"
    extension = DEFORMABLE_EXTENSION if deformable else LINEAR_EXTENSION
    return Outputs(
        volume=volume,
        volume_sidecar=bids.sidecar_path(volume),
        mask=mask,
        mask_sidecar=bids.sidecar_path(mask),
        transform=derivatives / bids.transform_path(*scan, extension=extension),
        inverse=derivatives / bids.inverse_transform_path(*scan, extension=extension),
        figure=derivatives / bids.figure_path(*scan),
        quality=derivatives / bids.quality_path(*scan),
    )


def write_description(derivatives: Path, *, sources: Sequence[str]) -> None:
    """Write `dataset_description.json` unless it stands there; any job writes the same bytes.

    `sources` are the datasets the images are from, relative to `derivatives`; none for an image
    that stands in no dataset.
    """
    path = derivatives / "dataset_description.json"
    if path.is_file():
        return
    write_text(derivatives / ".bidsignore", IGNORED)
    description: dict[str, Any] = {
        "Name": "T1-weighted brains in template space",
        "BIDSVersion": bids.BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "ldae", "Version": __version__}],
    }
    if sources:
        description["SourceDatasets"] = [{"URL": source} for source in sources]
    write_json(path, description)
