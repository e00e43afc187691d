"""Which of the weights that others published a training finds on this machine."""

from pathlib import Path

from ldae.runtime import note_read, sha256


def published_sha256(pretrained: str | Path | None, name: str | None) -> str | None:
    """SHA-256 of the file `name` in the folder `pretrained`; None: not there, or not asked for.

    What a training makes of the folder depends on this, whenever the file arrived.
    """
    path = Path(pretrained or "").expanduser() / (name or "")
    if not (pretrained and name and path.is_file()):
        return None
    note_read(path)
    return sha256(path)
