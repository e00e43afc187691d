"""Whether a configuration can be run."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ldae.config import BrainExtraction, Config
from ldae.errors import UserError
from ldae.gpus import list_gpus, source_of_gpus
from ldae.ingestion.source import require_same_source
from ldae.settings import read_yaml
from ldae.weights.convnext import convnext_path, require_convnext
from ldae.weights.public import FETCHED, FILES


def check(*, settings: Config, gpus: int = 0, files: Sequence[Path] = ()) -> None:
    """Refuse `settings` with one line when a key, a type, a range or a combination is wrong.

    Also when they name weights that are not there, which trainings would need only after days of
    others, or a run that holds the results of other scans. Paths are relative to where this runs.

    Args:
        settings: the whole configuration.
        gpus: as many as the workflow counts on; where there are fewer, a warning says so.
        files: that `settings` were read from by another reader, which may have passed over a key
            that is there twice.
    """
    for file in files:
        if file.suffix in (".yaml", ".yml") and file.is_file():
            read_yaml(file)
    there = len(list_gpus()) if gpus else 0
    if there < gpus:
        logging.warning(
            "--resources gpu=%d, and %s %s: jobs wait for each other's, and one that asks for more "
            "than there are will %s (resources.fewer_gpus)",
            *(gpus, there or "none", source_of_gpus(), settings.resources.fewer_gpus),
        )
    require_same_source(Path("results", settings.run, "cohort"), settings.cohort)
    _require_masks(settings.preprocessing.brain)
    pretrained = settings.pretrained
    fetched = pretrained is not None and _place(pretrained) == _place(FETCHED)
    if pretrained is not None and not fetched and not _place(pretrained).is_dir():
        raise UserError(
            f"pretrained: there is no folder {pretrained}; set pretrained: {FETCHED}, which a run "
            "fetches, or null"
        )
    for section, encoder in settings.trained_encoders.items():
        if encoder.kind == "slices" and encoder.initialise == "imagenet":
            path = convnext_path(encoder, pretrained=pretrained, section=section)
            if not (fetched and path.name in {file.name for file in FILES}):
                require_convnext(encoder, pretrained=pretrained, section=section)


def _require_masks(brain: BrainExtraction) -> None:
    """Jobs of the workflow ask for them only after the download has been converted."""
    if brain.method == "mask" and brain.masks is not None and not _place(brain.masks).is_dir():
        raise UserError(f"preprocessing.brain.masks: there is no folder {brain.masks}")


def _place(folder: str) -> Path:
    return Path(folder).expanduser().resolve()
