"""Writing a delivery of the archive: loose files, and files inside zips."""

import io
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_PACKED = (2026, 1, 28, 12, 0, 0)  # the time stamp of every zip member: the same seed, same bytes
_LEVEL = 1  # noise hardly compresses; the rest does at any level


@dataclass(frozen=True)
class File:
    """One file of a download."""

    path: str  # below the download, or within the zip; one that ends in / is an empty folder
    content: bytes
    archive: str | None = None  # name of the zip it is delivered in; None: unpacked


class Delivery:
    """A download being written under `root`."""

    def __init__(self, root: Path) -> None:
        """Begin with nothing; a zip is opened when its first file arrives."""
        self._root = root
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._open = ExitStack()

    def put(self, files: Iterable[File]) -> None:
        """Write files; the folders of loose ones are made."""
        for file in files:
            path = self._root / file.path
            if file.archive is not None:
                _pack(self._zip(file.archive), file)
            elif file.path.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.content)

    def __enter__(self) -> "Delivery":
        """Start writing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the zips."""
        self._open.close()

    def _zip(self, name: str) -> zipfile.ZipFile:
        if name not in self._zips:
            self._zips[name] = self._open.enter_context(zipfile.ZipFile(self._root / name, "x"))
        return self._zips[name]


def zip_bytes(files: Iterable[File]) -> bytes:
    """A zip of `files` as one piece."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in files:
            _pack(archive, file)
    return buffer.getvalue()


def _pack(archive: zipfile.ZipFile, file: File) -> None:
    member = zipfile.ZipInfo(file.path, _PACKED)
    archive.writestr(member, file.content, zipfile.ZIP_DEFLATED, _LEVEL)
