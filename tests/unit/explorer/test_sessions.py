"""Pages of what preprocessing left: every session with its figures, bounds and picture."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ldae.explorer.sessions import by_oddity, pages_of, with_pictures
from ldae.report.quality import Measure

MEASURES = [
    Measure("qc_snr", "signal-to-noise ratio", "", 1, 6.0, None),
    Measure("qc_brain_ml", "brain volume", " ml", 0, 900.0, 2400.0),
]
KEPT = pd.DataFrame(
    {
        "participant_id": ["sub-A", "sub-A", "sub-B"],
        "session_id": ["ses-M000", "ses-M024", "ses-M000"],
        "months": [0, 24, 0],
        "age": [70.0, 72.126, np.nan],
        "sex": ["F", "F", None],
        "diagnosis": ["AD", None, None],
        "split": ["test", "test", "train"],
        "qc_snr": [12.0, 11.0, 30.0],
        "qc_brain_ml": [1500.0, 1490.0, 2399.0],
    }
)
LOST = pd.DataFrame(
    {
        "participant_id": ["sub-A", "sub-C"],
        "session_id": ["ses-M012", "ses-M000"],
        "reason": ["signal-to-noise ratio below 6", "no volume"],
        "detail": ["4.0", "no volume"],
        "qc_snr": ["4.0", None],
        "qc_brain_ml": ["1500", None],
    }
)


@pytest.fixture
def pages():
    return pages_of(KEPT, LOST, MEASURES)


def test_every_session_is_there_and_why_one_is_not_read(pages) -> None:
    sessions = pages["sub-A"].sessions
    assert [each.session_id for each in sessions] == ["ses-M000", "ses-M012", "ses-M024"]
    assert [each.excluded for each in sessions] == [None, "signal-to-noise ratio below 6", None]
    assert (pages["sub-A"].sex, pages["sub-A"].split) == ("F", "test")
    assert (pages["sub-C"].sex, pages["sub-C"].split) == (None, None)
    assert list(pages) == ["sub-A", "sub-B", "sub-C"]


def test_facts_that_are_not_known_are_none(pages) -> None:
    first, lost, last = pages["sub-A"].sessions
    assert (first.age, lost.age, last.age) == (70.0, None, 72.13)
    assert (first.months, lost.months) == (0, None)
    assert (first.diagnosis, last.diagnosis) == ("AD", None)
    assert pages["sub-B"].sessions[0].age is None
    assert not pages["sub-A"].has_volumes


def test_figures_stand_beside_their_bounds(pages) -> None:
    snr, volume = pages["sub-A"].sessions[1].figures
    assert (snr.value, snr.bounds, snr.beyond) == ("4.0", "at least 6.0", True)
    assert volume.bounds == "at least 900 ml, at most 2400 ml"
    assert not volume.beyond
    unknown = pages["sub-C"].sessions[0].figures[0]
    assert (unknown.value, unknown.beyond) == ("not measured", True)


def test_unusual_subjects_come_first(pages) -> None:
    order = by_oddity(KEPT, LOST, MEASURES, pages)
    assert order[0] == "sub-A"  # of whom a scan was lost
    assert set(order) == {"sub-A", "sub-B", "sub-C"}


def test_pictures_are_found_by_session(pages, tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(png, "PNG")
    folder = tmp_path / "sub-A/figures"
    folder.mkdir(parents=True)
    (folder / "sub-A_ses-M012_desc-qc_T1w.png").write_bytes(png.getvalue())
    shown = with_pictures(pages["sub-A"], tmp_path)
    assert [each.picture for each in shown.sessions] == [None, "sub-A/ses-M012/picture", None]
    assert list(shown.blobs) == ["sub-A/ses-M012/picture"]
    assert shown.size > pages["sub-A"].size
