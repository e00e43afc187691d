"""Reading what may be damaged: whatever fails on the way is a StorageError."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

# What reading a damaged file or zip is known to raise.
DAMAGE = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class StorageError(OSError):
    """A file that cannot be read: a reason to count by, and its detail."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Guarded(io.RawIOBase):
    """A stream of which every fault is a StorageError."""

    def __init__(self, stream: IO[bytes], file: str) -> None:
        self._stream = stream
        self._file = file

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as there is anything to read; returns how far."""
        with reading(self._file):
            chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
        super().close()


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Whatever fails is the fault of `file`."""
    try:
        yield
    except StorageError:
        raise
    except DAMAGE as error:
        # Without the path of this machine, so that the same download gives the same table.
        why = error.strerror if isinstance(error, OSError) else None
        raise StorageError(
            "unreadable_file", f"{file}: {why or str(error) or type(error).__name__}"
        ) from None


def regular(path: Path) -> Path:
    """Refuse what is no file and could be read for ever: pipes, devices."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a file")
    return path
