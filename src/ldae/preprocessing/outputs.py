"""The derivative files of one scan, and the description of the dataset they stand in."""

from dataclasses import dataclass, fields
from pathlib import Path

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
        """Remove what an earlier run with other settings or another image left."""
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


def write_description(derivatives: Path) -> None:
    """Write `dataset_description.json` unless it stands there; any job writes the same bytes."""
    path = derivatives / "dataset_description.json"
    if path.is_file():
        return
    write_text(derivatives / ".bidsignore", IGNORED)
    write_json(
        path,
        {
            "Name": "T1-weighted brains in template space",
            "BIDSVersion": bids.BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "ldae", "Version": __version__}],
            "SourceDatasets": [{"URL": "../../bids"}],
        },
    )
