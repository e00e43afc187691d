"""Names of the brain imaging data structure: labels from archive ids, paths from labels.

All paths are relative to their dataset (the BIDS folder or the derivatives folder).
"""

import re
from pathlib import Path

from snakebids import bids_factory
from snakebids.paths import specs

BIDS_VERSION = "1.10.0"
TEMPLATE = "MNI152NLin2009aSym"  # the symmetric ICBM 2009a average

_bids = bids_factory(specs.v0_15_0())


def participant_label(ptid: str) -> str:
    """`sub-ADNI002S0295` from the archive's subject id `002_S_0295`."""
    return "sub-ADNI" + re.sub(r"[^0-9A-Za-z]", "", ptid)


def session_label(months: int) -> str:
    """`ses-M012` from months since the participant's first baseline."""
    return f"ses-M{months:03d}"


def t1w_path(participant_id: str, session_id: str) -> Path:
    """The raw T1-weighted image of a session."""
    return _anat(participant_id, session_id, suffix="T1w", extension=".nii.gz")


def scans_path(participant_id: str, session_id: str) -> Path:
    """The table of a session's images."""
    return _path(participant_id, session=_bare(session_id), suffix="scans", extension=".tsv")


def sessions_path(participant_id: str) -> Path:
    """The table of a participant's sessions."""
    return _path(participant_id, suffix="sessions", extension=".tsv")


def volume_path(participant_id: str, session_id: str, *, spacing_mm: float) -> Path:
    """The preprocessed volume, in the template's space on a grid of `spacing_mm`."""
    return _anat(
        participant_id,
        session_id,
        space=TEMPLATE,
        res=_resolution(spacing_mm),
        desc="preproc",
        suffix="T1w",
        extension=".nii.gz",
    )


def mask_path(participant_id: str, session_id: str, *, spacing_mm: float) -> Path:
    """The brain mask on the grid of the preprocessed volume."""
    return _anat(
        participant_id,
        session_id,
        space=TEMPLATE,
        res=_resolution(spacing_mm),
        desc="brain",
        suffix="mask",
        extension=".nii.gz",
    )


def native_mask_path(participant_id: str, session_id: str) -> Path:
    """The brain mask on the voxels of the raw image."""
    return _anat(participant_id, session_id, desc="brain", suffix="mask", extension=".nii.gz")


def quality_path(participant_id: str, session_id: str) -> Path:
    """What preprocessing measured of a scan."""
    return _anat(participant_id, session_id, desc="qc", extension=".json")


def transform_path(participant_id: str, session_id: str, *, extension: str) -> Path:
    """The transform from the scan's image to the template; `extension` with its dot."""
    return _anat(
        participant_id,
        session_id,
        from_="T1w",
        to=TEMPLATE,
        mode="image",
        suffix="xfm",
        extension=extension,
    )


def inverse_transform_path(participant_id: str, session_id: str, *, extension: str) -> Path:
    """The transform from the template to the scan's image; `extension` with its dot."""
    return _anat(
        participant_id,
        session_id,
        from_=TEMPLATE,
        to="T1w",
        mode="image",
        suffix="xfm",
        extension=extension,
    )


def figure_path(participant_id: str, session_id: str) -> Path:
    """The picture by which a person judges how a scan was preprocessed."""
    name = _path(
        participant_id, session=_bare(session_id), desc="qc", suffix="T1w", extension=".png"
    ).name
    return Path(participant_id, "figures", name)


def sidecar_path(image: Path) -> Path:
    """The JSON file that describes a NIfTI image: same name, same folder."""
    return image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def _anat(participant_id: str, session_id: str, **entities: str) -> Path:
    return _path(participant_id, session=_bare(session_id), datatype="anat", **entities)


def _path(participant_id: str, **entities: str) -> Path:
    return Path(_bids(subject=_bare(participant_id), **entities))


def _bare(label: str) -> str:
    """`ADNI002S0295` from `sub-ADNI002S0295`."""
    return label.partition("-")[2]


def _resolution(spacing_mm: float) -> str:
    """`1p5` for 1.5 mm: BIDS labels hold letters and digits only."""
    return f"{spacing_mm:g}".replace(".", "p")
