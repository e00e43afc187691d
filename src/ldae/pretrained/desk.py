"""What the commands for single scans share: how scans come in, and results go out."""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldae.errors import UserError
from ldae.gpus import list_gpus
from ldae.pretrained.model import Model
from ldae.pretrained.opening import open_models
from ldae.pretrained.scan import Scan, Violation, Volume
from ldae.pretrained.shift import UNLIKE
from ldae.progress import Tally
from ldae.report.figures import Row, centre_of, draw_rows
from ldae.runtime import pick_device, sha256, write_json

PREPROCESSED = "preprocessed"  # the derivative dataset below the output folder


@dataclass(frozen=True)
class Desk:
    """Models, the folder of results (None: nothing is written), and what the user chose.

    `preprocess`: scans that are not what the models read are preprocessed. `to_stdout`: results
    are written to standard output as well, a JSON object per line.
    """

    model: Model
    output: Path | None
    preprocess: bool
    to_stdout: bool

    def scans(self, paths: Sequence[Path]) -> Iterator[Scan]:
        """The scans of these files; refused ones are told and left out.

        Raises:
            UserError: in the end, if some were refused; at once, if two are called the same.
        """
        names = Counter(path.name.split(".nii")[0] for path in paths)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise UserError(
                f"{twice[0]}: two scans of this name; rename one, or give them in separate calls"
            )
        if not paths:
            raise UserError("no scan is given; name NIfTI files")
        refused: list[str] = []
        tally = Tally("scans", len(paths)) if len(paths) > 1 else None
        for path in paths:
            try:
                scan = self.read(path)
            except UserError as error:
                if len(paths) == 1:
                    raise
                logging.error("refused: %s", error)  # noqa: TRY400  (for the user, no traceback)
                refused.append(path.name)
            else:
                yield scan
            if tally:
                tally.add()
        if refused:
            raise UserError(f"{len(refused)} of {len(paths)} scans were refused: {refused}")

    def read(self, path: Path) -> Scan:
        """The scan in a file, preprocessed if it must be and may."""
        try:
            scan = self.model.read(path)
        except Violation:
            if not self.preprocess:
                raise
            logging.info("%s: not what the models read; preprocessing it like their scans", path)
            scan = self.model.preprocess(path, output=self.folder / PREPROCESSED)
        for remark in scan.remarks:
            logging.warning("%s: %s", scan.name, remark)
        return scan

    @property
    def folder(self) -> Path:
        """Where results go.

        Raises:
            UserError: nobody named it.
        """
        if self.output is None:
            raise UserError("--preprocess keeps what it makes: name a folder with --output")
        return self.output

    def about(self, scan: Scan) -> dict[str, Any]:
        """Of which file, by which contract, and how unlike the training scans it is."""
        contract = self.model.contract
        known: dict[str, Any] = {
            "scan": scan.path.name if scan.path else scan.name,
            "scan_sha256": sha256(scan.path) if scan.path else None,
            "contract": contract.sha256 if contract else None,
            "shift": None,
        }
        if contract is None or contract.training is None:
            return known
        shift = self.model.shift(scan)
        if shift.score > UNLIKE:
            why = "; ".join(shift.reasons) or f"{shift.distance:.1f} times as far as usual"
            logging.warning(
                "%s: unlike the training scans (shift %.2f): %s", scan.name, shift.score, why
            )
        return known | {"shift": shift.as_json()}

    def keep(self, volumes: Mapping[str, Volume], *, like: Scan | None) -> list[str]:
        """Write volumes as NIfTI by their names, in the place of a scan; the files' names."""
        for name, volume in volumes.items():
            self.model.save(volume, self.folder / f"{name}.nii.gz", like=like)
        return [f"{name}.nii.gz" for name in volumes]

    def draw(
        self,
        name: str,
        title: str,
        volumes: Mapping[str, Volume],
        against: str | None = None,
        without: Sequence[str] = (),
    ) -> str:
        """Write a PNG of volumes in columns; the file's name.

        Below them is what differs from the column `against`, but for the columns `without`.
        """
        rows = [
            Row(plane, [*volumes.values()], plane=plane)
            for plane in ("axial", "coronal", "sagittal")
        ]
        if against is not None:
            changes = {
                column: volume - volumes[against]
                for column, volume in volumes.items()
                if column not in {against, *without}
            }
            below = [changes.get(column) for column in volumes]
            limit = max((float(np.abs(each).max()) for each in changes.values()), default=0) or 1.0
            rows += [
                Row(
                    f"{plane},\nminus {against}", below, plane=plane, kind="difference", limit=limit
                )
                for plane in ("axial", "coronal")
            ]
        first = next(iter(volumes.values()))
        draw_rows(
            self.folder / f"{name}.png",
            title=title,
            columns=list(volumes),
            rows=rows,
            centre=centre_of(first > 0),
        )
        return f"{name}.png"

    def give(self, name: str, result: dict[str, Any]) -> None:
        """Write a result as JSON: to the folder, and on request to standard output."""
        if self.output is not None:
            write_json(self.output / f"{name}.json", result)
        if self.to_stdout:
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def short(scan: Scan) -> str:
    """What a picture calls it: subject and session, as far as its name has them."""
    found = re.match(r"(sub-[0-9A-Za-z]+)_(ses-[0-9A-Za-z]+)_", scan.name)
    return f"{found[1]} {found[2]}" if found else scan.name


def open_desk(
    models: Path, *, output: Path | None, preprocess: bool, to_stdout: bool, devices: int
) -> Desk:
    """A desk with the models of a folder, on a GPU where there is one and `devices` is not 0."""
    if output is not None and output.exists() and not output.is_dir():
        raise UserError(f"{output} is not a folder")
    device = pick_device(min(devices, len(list_gpus())))
    model = open_models(models, device=device)
    return Desk(model, output, preprocess=preprocess, to_stdout=to_stdout)
