"""Which files of scans stand behind the table that a stage writes."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ldae.tables import KEYS

# A table that is written, and the files it answers for, with their SHA-256 where it is known.
Behind = tuple[Path, dict[Path, str | None]]


def files_behind(stage: str, given: Mapping[str, Any], written: Iterable[Path]) -> Behind | None:
    """The table of `stage` that lists files of scans, and these files; None: it lists none.

    Args:
        stage: a subcommand.
        given: its arguments.
        written: what it wrote.
    """
    lister = _LISTERS.get(stage)
    return lister(given, set(written)) if lister else None


def _buckets(given: Mapping[str, Any], written: set[Path]) -> Behind:
    return given["planned"], _below(given["buckets"], written)


def _dataset(given: Mapping[str, Any], written: set[Path]) -> Behind:
    """The tables of the raw dataset; its images are with the conversions."""
    return given["ingested"], _below(given["bids"], written)


def _images(given: Mapping[str, Any], written: set[Path]) -> Behind:
    rows = _rows(given["table"], "image", "image_sha256")
    return given["table"], _sessions(given["bids"], rows, "image")


def _volumes(given: Mapping[str, Any], written: set[Path]) -> Behind:
    rows = _rows(given["table"], "volume", "volume_sha256")
    return given["table"], _sessions(given["derivatives"], rows, "volume")


def _description(given: Mapping[str, Any], written: set[Path]) -> Behind:
    """The description of the derivative dataset, which many jobs write."""
    top = given["derivatives"]
    return given["scans"], {path: None for path in sorted(top.iterdir()) if path.is_file()}


def _latents(given: Mapping[str, Any], written: set[Path]) -> Behind:
    return _indexed(given["latents"] / "index.parquet")


def _inversions(given: Mapping[str, Any], written: set[Path]) -> Behind:
    return _indexed(given["index"])


def _indexed(index: Path) -> Behind:
    names = pq.read_table(index, columns=["file"])["file"].to_pylist()
    return index, {index.parent / name: None for name in names}


def _rows(table: Path, *columns: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(table, columns=[*KEYS, *columns]).to_pylist()
    return rows


def _below(folder: Path, written: set[Path]) -> dict[Path, str | None]:
    top = folder.absolute()
    return {path: None for path in sorted(written) if path.is_relative_to(top)}


def _sessions(top: Path, rows: list[dict[str, Any]], image: str) -> dict[Path, str | None]:
    """All files of the sessions, but tables, which are made later."""
    known = {top / row[image]: row[f"{image}_sha256"] for row in rows if row[image] is not None}
    found = []
    for participant, session in sorted({(row[KEYS[0]], row[KEYS[1]]) for row in rows}):
        found += (top / participant / session).rglob("*")
        found += (top / participant / "figures").glob(f"{participant}_{session}_*")
    return {
        path: known.get(path)
        for path in sorted(found)
        if path.suffix != ".tsv" and path.name[0] != "." and path.is_file()
    }


_LISTERS: dict[str, Callable[[Mapping[str, Any], set[Path]], Behind]] = {
    "index-download": _buckets,
    "convert-images": _images,
    "export-bids": _dataset,
    "preprocess-scans": _volumes,
    "gather-scans": _description,
    "encode-latents": _latents,
    "invert-scans": _inversions,
}
