"""One zip file as a folder tree: its members listed and opened by name, none of them unpacked.

Names of members are mere keys: whether they climb (`../x`), begin at the root or are links, they
never become paths of this machine.
"""

import zipfile
from pathlib import Path
from typing import IO

_ENCRYPTED = 0x1  # bit of a member's flags
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # all that download sites write


class Zip:
    """An open zip file.

    Raises:
        OSError, ValueError, zipfile.BadZipFile and others: if the file is no whole zip.
    """

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        names = {_tidy(name): name for name in self._archive.namelist()}  # of twins the last
        self._odd = {tidy: name for tidy, name in names.items() if tidy != name}

    def close(self) -> None:
        """Close the file once no member is being read any more."""
        self._archive.close()

    def folders(self) -> list[tuple[str, list[str]]]:
        """Folders with the names of their files, sorted; hidden ones left out."""
        folders: dict[str, set[str]] = {}
        for name in map(_tidy, self._archive.namelist()):
            folder, _, file = name.rpartition("/")
            files = folders.setdefault(folder, set())
            if file and not _is_hidden(file):
                files.add(file)
        shown = {
            folder: sorted(files)
            for folder, files in sorted(folders.items())
            if not any(map(_is_hidden, folder.split("/")))
        }
        parents = {folder[:end] for folder in shown for end in _slashes(folder)}
        if len(shown) > 1:
            parents.add("")
        listed = [
            (folder, shown[folder]) for folder in shown if shown[folder] or folder not in parents
        ]
        return listed or [("", [])]

    def member(self, name: str) -> zipfile.ZipInfo:
        """What the zip says of a member; a KeyError if there is none of that name."""
        return self._archive.getinfo(self._odd.get(name, name))

    def open(self, name: str) -> IO[bytes]:
        """Read a member as a stream, never more than the zip says it holds."""
        member = self.member(name)
        if member.flag_bits & _ENCRYPTED:
            raise NotImplementedError("it is encrypted: unpack the zip with its password")
        if member.compress_type not in _METHODS:
            raise NotImplementedError(
                f"its compression {member.compress_type} is not read: unpack the zip"
            )
        return self._archive.open(member)


def _tidy(name: str) -> str:
    """A member's name with plain slashes, none of them at the start or doubled."""
    if "\\" not in name and "//" not in name and not name.startswith("/"):
        return name
    end = "/" if name.endswith(("/", "\\")) else ""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part) + end


def _slashes(folder: str) -> list[int]:
    return [position for position, letter in enumerate(folder) if letter == "/"]


def _is_hidden(name: str) -> bool:
    return (name.startswith(".") and name not in {".", ".."}) or name == "__MACOSX"
