import re
from pathlib import Path

import pytest

from ldae.config import Cohort
from ldae.errors import UserError
from ldae.ingestion.source import note_source, require_same_source


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADNI", "OASIS"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


SYNTHETIC = Cohort(source="synthetic", download=None)


def adni(download: str | Path | None) -> Cohort:
    return Cohort(source="adni", download=None if download is None else str(download))


@pytest.mark.parametrize(
    ("noted", "given"),
    [
        (SYNTHETIC, SYNTHETIC),
        (SYNTHETIC, Cohort(source="synthetic", download="not read")),
        (adni("ADNI"), adni("ADNI")),
        (adni("ADNI"), adni("./OASIS/../ADNI/")),
        (adni("ADNI"), adni(None)),  # told elsewhere, and better
        (adni("ADNI"), adni("no/such/folder")),
    ],
)
def test_the_same_data_are_let_through(tmp_path: Path, noted: Cohort, given: Cohort) -> None:
    cohort = tmp_path / "results/mine/cohort"
    require_same_source(cohort, noted)  # nothing has run
    note_source(cohort, noted)
    require_same_source(cohort, given)


@pytest.mark.parametrize(
    ("noted", "given", "message"),
    [
        (SYNTHETIC, adni("ADNI"), r"of cohort.source: synthetic, and .* remove .*/results/mine$"),
        (
            adni("ADNI"),
            SYNTHETIC,
            r"adni \(cohort.download: ADNI\), and .*source: synthetic: give",
        ),
        (adni("ADNI"), adni("OASIS"), r"download: OASIS\).* if the same data were moved, remove "),
        (adni("ADNI"), Cohort(source="bids", download="ADNI"), r"source: bids"),
    ],
)
def test_other_data_are_refused(tmp_path: Path, noted: Cohort, given: Cohort, message: str) -> None:
    cohort = tmp_path / "results/mine/cohort"
    note_source(cohort, noted)
    with pytest.raises(UserError) as caught:
        require_same_source(cohort, given)
    assert str(caught.value).startswith(f"run: {cohort.parent} holds results of cohort.source: ")
    assert re.search(message, str(caught.value)), caught.value


def test_a_copied_run_knows_its_download(tmp_path: Path) -> None:
    note_source(tmp_path / "results/mine/cohort", adni("ADNI"))
    tmp_path.joinpath("results").rename(tmp_path / "copied")
    require_same_source(tmp_path / "copied/mine/cohort", adni("ADNI"))
