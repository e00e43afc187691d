"""The files of a download, in folders or inside zips: listed, read as streams, never changed.

A file is spelled by its path below the root; one inside a zip by the path of the zip, `::` and its
name there: `zips/a.zip::ADNI/002_S_0295/.../x.dcm`. Whatever a zip says of its members, no more
than what was asked for is read, and nothing is written under a name of its choosing.
"""

import hashlib
import io
import os
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Self

from ldae.errors import UserError
from ldae.imaging.streams import Guarded, StorageError, reading, regular
from ldae.imaging.zips import Zip

__all__ = ["CHUNK", "INSIDE", "Storage", "StorageError"]

INSIDE = "::"
CHUNK = 1 << 20  # bytes read or written at a time
_OPEN_ZIPS = 64  # at a time, far below the usual limit of open files
_ZIP_END = re.compile(rf"\.zip(?={INSIDE})", re.IGNORECASE)


class Storage:
    """The files below `root`; several threads may use it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zips: OrderedDict[str, Zip] = OrderedDict()  # those used last at the end
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._zips:
            self._zips.popitem()[1].close()

    def walk(self) -> Iterator[tuple[str, list[str]]]:
        """Folders with the names of their files, sorted; hidden ones left out.

        A zip is entered like a folder. One that cannot be read, or is itself in a zip, is listed as
        a file. Folders that hold nothing are listed, without names. Links to folders are followed
        after all real folders, and no folder is visited twice: so links in a circle come to an end,
        and a linked folder that is itself in the download keeps its place.

        Raises:
            UserError: if a folder cannot be listed.
        """
        visited: set[tuple[int, int]] = set()
        roots = [self.root]
        for root in roots:  # grows by the links found on the way
            for folder, subfolders, files in os.walk(root, onerror=_refuse):
                here = Path(folder)
                status = here.stat()
                if (status.st_dev, status.st_ino) in visited:
                    subfolders.clear()
                    continue
                visited.add((status.st_dev, status.st_ino))
                shown = [name for name in sorted(subfolders) if not name.startswith(".")]
                roots += [here / name for name in shown if (here / name).is_symlink()]
                subfolders[:] = [name for name in shown if not (here / name).is_symlink()]
                place = "" if here == self.root else _spell(here.relative_to(self.root).as_posix())
                names = sorted(_spell(name) for name in files if not name.startswith("."))
                yield from self._list(place, names, has_subfolders=bool(shown))

    def open(self, file: str) -> io.BufferedReader:
        """Open a file for reading once through; whatever fails on the way is a StorageError."""
        with reading(file):
            return io.BufferedReader(Guarded(self._open(file), file), CHUNK)

    def size(self, file: str) -> int:
        """Bytes of a file, as its folder or zip says."""
        with reading(file):
            return self._size_and_mark(file)[0]

    def read_start(self, file: str, limit: int) -> bytes:
        """The first bytes of a file, at most `limit`."""
        with self.open(file) as stream:
            return stream.read(limit)

    def fingerprint(self, files: Iterable[str]) -> str:
        """A hash of names, sizes and time stamps or checksums: changes when a file is replaced."""
        digest = hashlib.sha256()
        for file in files:
            with reading(file):
                digest.update("\0".join([file, *map(str, self._size_and_mark(file))]).encode())
        return digest.hexdigest()

    def same(self, one: str, other: str) -> bool:
        """Whether two files have the same bytes; one that cannot be read, as a dead link, has not.

        Files inside zips are compared by size and checksum, and not unpacked.
        """
        try:
            if self.size(one) != self.size(other):
                return False
            if self.path(one) is None or self.path(other) is None:
                return self._checksum(one) == self._checksum(other)
            with self.open(one) as left, self.open(other) as right:
                while chunk := left.read(CHUNK):
                    if chunk != right.read(CHUNK):
                        return False
        except StorageError:
            return False
        return True

    def extract(self, files: Sequence[str], folder: Path, *, limit_bytes: int) -> list[Path]:
        """Put `files` into `folder` under numbers: copies from zips, links to other files.

        Raises:
            StorageError: `too_large` if they hold more than `limit_bytes`, whatever the zip says.
            OSError: if `folder` cannot be written.
        """
        targets = [folder / f"{number:06d}.dcm" for number in range(len(files))]
        room = limit_bytes
        for file, target in zip(files, targets, strict=True):
            if path := self.path(file):
                room -= self.size(file)
                target.symlink_to(path.resolve())
            else:
                with self.open(file) as source, target.open("xb") as copy:
                    while room >= 0 and (chunk := source.read(CHUNK)):
                        room -= len(chunk)
                        copy.write(chunk)
            if room < 0:
                raise StorageError("too_large", f"more than {limit_bytes / 1e6:g} MB of files")
        return targets

    def path(self, file: str) -> Path | None:
        """Where a file is on disk, or None if it is inside a zip."""
        return None if self._split(file) else self._path(file)

    def _list(
        self, place: str, names: list[str], *, has_subfolders: bool
    ) -> Iterator[tuple[str, list[str]]]:
        """What is in the zips of a folder, then its other files."""
        listed = []
        for name in names:
            file = f"{place}/{name}" if place else name
            folders = self._enter(file) if name.lower().endswith(".zip") else None
            if folders is None:
                listed.append(name)
            else:
                yield from ((f"{file}{INSIDE}{folder}", inside) for folder, inside in folders)
        if listed or not (names or has_subfolders or not place):
            yield place, listed

    def _enter(self, file: str) -> list[tuple[str, list[str]]] | None:
        """The folders of a zip, or None if it cannot be read."""
        try:
            with reading(file), self._lock:
                return self._zip(file).folders()
        except StorageError:
            return None

    def _split(self, file: str) -> tuple[str, str] | None:
        """Zip and member, where a file is inside a zip."""
        end = _ZIP_END.search(file)
        return (file[: end.end()], file[end.end() + len(INSIDE) :]) if end else None

    def _path(self, file: str) -> Path:
        path = self.root / file
        return self.root / _unspell(file) if "\\x" in file and not path.exists() else path

    def _zip(self, file: str) -> Zip:
        """An open zip; the lock must be held until what is wanted of it is open too."""
        if file not in self._zips:
            self._zips[file] = Zip(regular(self._path(file)))
            if len(self._zips) > _OPEN_ZIPS:
                self._zips.popitem(last=False)[1].close()
        self._zips.move_to_end(file)
        return self._zips[file]

    def _open(self, file: str) -> IO[bytes]:
        if inside := self._split(file):
            with self._lock:
                return self._zip(inside[0]).open(inside[1])
        return regular(self._path(file)).open("rb")

    def _size_and_mark(self, file: str) -> tuple[int, int]:
        """Size, and what changes with the content: the checksum in a zip, else the time stamp."""
        if inside := self._split(file):
            with self._lock:
                member = self._zip(inside[0]).member(inside[1])
            return member.file_size, member.CRC
        status = regular(self._path(file)).stat()
        return status.st_size, status.st_mtime_ns

    def _checksum(self, file: str) -> int:
        """The checksum of zips, CRC-32; read from the zip where there is one."""
        if self._split(file):
            return self._size_and_mark(file)[1]
        checksum = 0
        with self.open(file) as stream:
            while chunk := stream.read(CHUNK):
                checksum = zlib.crc32(chunk, checksum)
        return checksum


def _refuse(error: OSError) -> None:
    raise UserError(
        f"{error.filename}: cannot be listed ({error.strerror}); nothing in it would be found:"
        " change its permissions or move it elsewhere"
    )


def _spell(name: str) -> str:
    r"""A name as text; bytes that are no UTF-8 as `\xe4`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unspell(file: str) -> str:
    """The name on disk of a file with bytes that are no UTF-8."""
    raw = re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda match: bytes.fromhex(match[1].decode()), file.encode()
    )
    return os.fsdecode(raw)
