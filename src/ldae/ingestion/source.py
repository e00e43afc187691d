"""Which data a run is made of, so that another download is not mixed into its folder unnoticed.

Editing a key and running again in the same folder is how people work, and stays possible. Other
*data* under the same name would replace every result of the first, and is refused.
"""

import json
from pathlib import Path

from ldae.config import Cohort
from ldae.errors import UserError
from ldae.runtime import write_json

SOURCE = "source.json"


def note_source(cohort: Path, given: Cohort) -> None:
    """Write down in the folder `cohort` of a run what it is made of: `source.json`."""
    write_json(cohort / SOURCE, given.model_dump(mode="json"))


def require_same_source(cohort: Path, given: Cohort) -> None:
    """Refuse `given` where the folder `cohort` of a run says that it is made of other data.

    A download that is not given, or not there, is for others to tell of.

    Raises:
        UserError: naming both, and what to do.
    """
    path, place = cohort / SOURCE, _place(given.download)
    if not path.is_file() or (given.source != "synthetic" and not (place and place.exists())):
        return
    noted = json.loads(path.read_text(encoding="utf-8"))
    same_kind = noted["source"] == given.source
    if same_kind and (given.source == "synthetic" or place == _place(noted["download"])):
        return
    run = cohort.parent
    moved = f"; if the same data were moved, remove {path}" if same_kind else ""
    raise UserError(
        f"run: {run} holds results of {_in_words(**noted)}, and the configuration has "
        f"{_in_words(given.source, given.download)}: give this run a name of its own, or remove "
        f"{run}{moved}"
    )


def _place(download: str | None) -> Path | None:
    return None if download is None else Path(download).expanduser().resolve()


def _in_words(source: str, download: str | None) -> str:
    place = "" if source == "synthetic" else f" (cohort.download: {download})"
    return f"cohort.source: {source}{place}"
