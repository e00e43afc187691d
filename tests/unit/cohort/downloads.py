"""Small downloads of the embedded cohort, and ways to look into them."""

import io
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.cohort.papers import SHEETS
from ldae.stages.make_cohort import Settings, make_cohort

SMALL: dict[str, Any] = {
    "subjects": {"CN": 5, "MCI": 1, "AD": 4},
    "visit_months": [0, 12],
    "visits_per_subject": [1, 2],
    "voxel_mm": 8.0,
    "traps": False,
}


@dataclass(frozen=True)
class Download:
    """A download as written, with the tables beside it."""

    root: Path
    truth: pd.DataFrame
    expected: pd.DataFrame

    def table(self, name: str) -> pd.DataFrame:
        """One of `SHEETS`, as its own spelling asks for; all cells as text."""
        sheet = SHEETS[name]
        return pd.read_csv(
            self.root / sheet.path, sep=sheet.delimiter, encoding=sheet.encoding, dtype=str
        )

    def images(self) -> dict[str, bytes]:
        """Files of images and metadata, loose or in zips, by path (of the zip, and) below it."""
        found = {}
        for path in sorted(path for path in self.root.rglob("*") if path.is_file()):
            name = path.relative_to(self.root).as_posix()
            if path.suffix == ".zip" and zipfile.is_zipfile(path):
                with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                    members = archive.namelist()
                    found |= {f"{name}::{member}": archive.read(member) for member in members}
            elif path.suffix in {".dcm", ".nii"}:
                found[name] = path.read_bytes()
        return found


def write(folder: Path, *, seed: int = 7, **changes: Any) -> Download:
    """Write `SMALL`, changed, below `folder`."""
    make_cohort(
        download=folder / "download",
        truth=folder / "truth.csv",
        expected=folder / "expected.csv",
        settings=Settings.model_validate({"seed": seed, "synthetic": SMALL | changes}),
    )
    return Download(
        folder / "download",
        pd.read_csv(folder / "truth.csv"),
        pd.read_csv(folder / "expected.csv", keep_default_na=False, na_values=[""]),
    )


def hashes(root: Path) -> dict[str, str]:
    """SHA-256 of every file below `root`."""
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
