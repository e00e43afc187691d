"""A run in small: three stages, one of them with files of scans, watched as by the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ldae.config import Results, Section
from ldae.provenance.recording import recorded
from ldae.runtime import atomic_path, note_read
from ldae.settings import load_settings
from ldae.tables import read_table, write_csv, write_table

LATENTS = pa.schema([pa.field("file", pa.string()), pa.field("fingerprint", pa.string())])


class Slice(Section):
    seed: int


@dataclass(frozen=True)
class Small:
    """`folder`/results/small, made by calls of stages."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results/small"

    def stage(self, name: str, work: Callable[[], None], **given: Any) -> None:
        with recorded(name, given):
            work()

    def encode(self, seed: int = 1) -> None:
        """Latents of three scans and their index, made from a table of the user's."""
        scans, latents = self.folder / "scans.csv", self.results / "latents"
        names = [f"scan{number}.npz" for number in range(3)]

        def work() -> None:
            for number, name in enumerate(names):
                with atomic_path(latents / name) as temporary, temporary.open("wb") as file:
                    np.savez(file, mean=np.full(4, number + seed))
            frame = pd.DataFrame({"file": names, "fingerprint": str(seed)})
            write_table(frame, latents / "index.parquet", LATENTS)

        self.stage("encode-latents", work, scans=scans, latents=latents, settings=Slice(seed=seed))

    def score(self) -> None:
        """A table made from the index, beside one of options."""
        index, table = self.results / "latents/index.parquet", self.results / "tables/scores.csv"

        def work() -> None:
            write_csv(read_table(index, LATENTS).assign(score=0.25), table)

        self.stage("score", work, index=index, table=table, steps=20, settings=Slice(seed=1))

    def page(self) -> None:
        """What is made from the table."""
        table, page = self.results / "tables/scores.csv", self.results / "report/index.html"

        def work() -> None:
            with atomic_path(page) as temporary:
                temporary.write_text(f"<p>{table.read_text()}</p>")

        self.stage("page", work, tables=[table], report=page)

    def sample(self) -> None:
        """Weights of others that only a reader knows of."""
        weights = self.folder / "weights.pth"
        weights.write_bytes(b"weights")
        table = self.results / "tables/samples.csv"

        def work() -> None:
            note_read(weights)
            table.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(table) as temporary:
                temporary.write_text("sample\n")

        self.stage("sample", work, table=table)

    def run(self) -> "Small":
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "scans.csv").write_text("scan\n1\n2\n3\n")
        self.encode()
        self.score()
        self.page()
        return self


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path).run()


@pytest.fixture(scope="session")
def demo(project: Path) -> Results:
    """The settings of the demo."""
    texts = [str(project / f"config/{name}.yaml") for name in ("config", "demo")]
    return load_settings(Results, *texts)
