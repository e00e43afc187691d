"""Histograms count every scan, bounds stand where they are, and the odd scans come first."""

import numpy as np
import pandas as pd
import pytest

from ldae.report.quality import WIDTH, Measure, all_scans, draw_histograms, outliers_first

DICE = Measure("qc_dice", "overlap", "", 3, 0.85, None)
VOLUME = Measure("qc_ml", "volume", " ml", 0, 900.0, 2000.0)
MEASURES = (DICE, VOLUME)
COLUMNS = ["qc_dice", "qc_ml"]


def frame(rows):
    return pd.DataFrame(rows, columns=["participant_id", "session_id", *COLUMNS])


@pytest.fixture
def scans():
    rng = np.random.default_rng(0)
    kept = frame(
        [(f"sub-{n:02d}", "ses-1", 0.95 + 0.005 * rng.normal(), 1500 + 50 * rng.normal())
         for n in range(40)]
    )  # fmt: skip
    kept.loc[7, "qc_ml"] = 1950.0
    kept.loc[8, "qc_dice"] = 0.999  # unusually good is not odd
    excluded = frame([("sub-x", "ses-1", "0.7", "1510"), ("sub-y", "ses-1", None, None)])
    return all_scans(kept, excluded.assign(reason=["overlap below 0.85", "unreadable"]), COLUMNS)


def test_scans_without_figures_are_left_out_and_text_becomes_numbers(scans):
    assert len(scans) == 41
    lost = scans[scans["outcome"] != "kept"]
    assert lost[["participant_id", "qc_dice"]].to_dict("records") == [
        {"participant_id": "sub-x", "qc_dice": 0.7}
    ]


def test_excluded_scans_come_first_then_the_odd_ones(scans):
    ordered = outliers_first(scans, MEASURES)
    assert ordered.loc[0, ["participant_id", "outcome", "of"]].tolist() == [
        "sub-x",
        "overlap below 0.85",
        "overlap",
    ]
    assert ordered.loc[1, ["participant_id", "of"]].tolist() == ["sub-07", "volume"]
    assert ordered.loc[1, "deviations"] > 5
    assert (ordered.loc[2:, "deviations"] < 4).all()
    assert ordered.loc[1:, "deviations"].is_monotonic_decreasing


def test_a_figure_that_is_missing_is_the_oddest(scans):
    scans.loc[3, "qc_ml"] = np.nan
    ordered = outliers_first(scans, MEASURES)
    assert ordered.loc[1, ["participant_id", "of", "deviations"]].tolist() == [
        "sub-03",
        "volume",
        99.0,
    ]


def test_every_scan_is_in_a_bar_and_bounds_are_to_scale(scans):
    overlap, volume = draw_histograms(scans, MEASURES)
    tallest = max(bar.kept_height + bar.lost_height for bar in overlap.bars)
    assert sum(bar.lost_height > 0 for bar in overlap.bars) == 1
    assert 0 < tallest <= 150
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in overlap.bars)
    assert [text for _, text in volume.bounds] == ["900 ml", "2000 ml"]
    assert [text for _, text in overlap.bounds] == ["0.850"]
    (left, _), (right, _) = volume.bounds
    odd = max(volume.bars, key=lambda bar: bar.x)
    share = (odd.x + odd.width / 2 - left) / (right - left)
    assert 900 + share * 1100 == pytest.approx(1950, abs=60)
    assert "41 scans, 1 excluded" in volume.summary


def test_equal_values_and_no_scans_do_no_harm(scans):
    same = scans.assign(qc_ml=1500.0)
    assert draw_histograms(same, MEASURES)[1].bars
    assert outliers_first(same, MEASURES)["deviations"].iloc[-1] == 0.0
    nothing = scans.iloc[:0]
    assert draw_histograms(nothing, MEASURES) == []
    assert outliers_first(nothing, MEASURES).empty
