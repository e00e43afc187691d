import base64

import pandas as pd
import pytest

from ldae.report.sharing import (
    LEAST_SUBJECTS,
    group_demographics,
    group_rows,
    individual_marks,
    without_paths,
    without_small_groups,
)

LABELS = ["sub-ADNI002S0013", "sub-01", "ses-M012"]


def test_rows_about_few_subjects_stay_and_are_counted():
    frame = pd.DataFrame({"level": list("abcd"), "n_subjects": [12, LEAST_SUBJECTS, 4, None]})
    kept, said = group_rows(frame)
    assert kept["level"].tolist() == ["a", "b"]
    assert "2 of 4 rows are about fewer than 5 subjects" in said
    assert group_rows(kept) == (kept, "")


def test_tables_of_no_subjects_are_left_as_they_are():
    frame = pd.DataFrame({"operation": ["encode"]})
    assert group_rows(frame) == (frame, "")


def test_few_subjects_are_counted_and_not_described():
    rows = pd.DataFrame(
        {"subjects": [9, 2], "scans": [20, 3], "age, mean (SD)": ["70 (3)", "81"], "female": "1"}
    )
    shown = group_demographics(rows)
    assert shown["scans"].tolist() == [20, 3]
    assert shown["age, mean (SD)"].tolist() == ["70 (3)", "left out: few"]
    assert shown["female"].tolist() == ["1", "left out: few"]


def test_numbers_about_few_subjects_are_not_compared():
    rows = pd.DataFrame(
        {
            "this_run": [0.9, 0.8, 2.0],
            "low": [0.8, 0.7, 1.9],
            "high": [1.0, 0.9, 2.1],
            "verdict": ["inside"] * 3,
            "cause": [""] * 3,
        }
    )
    shown = without_small_groups(rows, pd.Series([18.0, 3.0, float("nan")]))
    assert shown["verdict"].tolist() == ["inside", "not computed", "inside"]
    assert shown["this_run"].isna().tolist() == [False, True, False]
    assert rows["this_run"].notna().all()


def test_paths_of_this_machine_are_not_told():
    told = without_paths({"a": {"download": "/home/me/ADNI", "b": ["~/x", "cosine"]}, "seed": 42})
    assert told["a"]["download"].startswith("(")
    assert told["a"]["b"][1:] == ["cosine"]
    assert "~" not in str(told)
    assert told["seed"] == 42


@pytest.mark.parametrize(
    "page",
    [
        "<td>sub-01</td>",
        "<td>ADNI002S0013</td>",
        "<p>at ses-M012, say</p>",
        f'<a href="data:text/csv;charset=utf-8;base64,{base64.b64encode(b"id,sub-01").decode()}">',
        '<img src="data:image/png;base64,AAAA">',
        '<img src="data:image/jpeg;base64,AAAA">',
    ],
)
def test_labels_and_bitmaps_are_found_wherever_they_are(page):
    assert individual_marks(page, LABELS)


def test_words_and_drawings_are_no_marks():
    drawing = base64.b64encode(b"<svg><text>01 of sub-010</text></svg>").decode()
    page = f'sub-012, subset, 01, M012 <img src="data:image/svg+xml;base64,{drawing}">'
    assert individual_marks(page, LABELS) == []
