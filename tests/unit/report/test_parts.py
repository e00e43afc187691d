import json
import math
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.errors import UserError
from ldae.report.cohort_flow import cohort_flow, demographics, faults_of
from ldae.report.curves import HEIGHT, WIDTH, draw_charts, read_log
from ldae.report.flow_figure import draw_flow
from ldae.report.headline import interval, number
from ldae.report.html_table import from_csv, from_frame, read_csv, split
from ldae.report.representation import vitality
from ldae.report.timing import clock, read_benchmarks

BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n"


def test_benchmarks_are_summed_by_rule(tmp_path):
    (tmp_path / "ingest.tsv").write_text(BENCHMARK + "5.0\t0:00:05\t300.5\t900\t4.0\n")
    (tmp_path / "preprocess").mkdir()
    (tmp_path / "preprocess/a.tsv").write_text(BENCHMARK + "40\t0:00:40\t700\t900\t35\n")
    (tmp_path / "preprocess/b.tsv").write_text(BENCHMARK + "30\t0:00:30\t-\t-\tNA\n")
    table = read_benchmarks(tmp_path)
    assert table["stage"].tolist() == ["preprocess", "ingest"]
    assert table.loc[0].tolist() == ["preprocess", 2, 70.0, 35.0, 40.0, 700.0]


def test_no_benchmarks_no_rows(tmp_path):
    assert read_benchmarks(tmp_path / "absent").empty


def test_a_foreign_file_among_benchmarks_is_said(tmp_path):
    (tmp_path / "notes.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(UserError, match="not a benchmark file"):
        read_benchmarks(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.25, "4.2 s"),
        (42, "42 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.9123, "0.912"), (0.00123, "0.00123"), (27.345, "27.34"), (-1.5, "-1.500")],
)
def test_number(value, text):
    assert number(value) == text


@given(st.floats(1e-5, 1e6))
def test_numbers_keep_three_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.006)


def test_interval_is_left_out_when_there_is_none():
    assert interval(0.5, 0.5, 0.5) == "0.500"
    assert interval(0.5, 0.4, 0.6) == "0.500 [0.400, 0.600]"
    assert interval(0.012, 0.004, 0.02) == "0.0120 [0.0040, 0.0200]"


def test_tables_join_intervals_and_hide_empty_columns(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "model,ssim,ssim_low,ssim_high,lpips,lpips_low,lpips_high,n,not_computed\n"
        "a,0.9,0.8,1.0,,,,12,lpips: no weights\nb,,,,,,,3,lpips: no weights\n"
    )
    table = from_csv(path)
    assert table.columns == ("model", "SSIM ↑", "n")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "0.900 [0.800, 1.000]", "12"],
        ["b", "–", "3"],
    ]
    assert table.rows[0][1].sort == "0.9"
    assert table.empty == ("lpips: no weights",)


def test_a_split_table_leaves_out_what_is_empty_in_a_part(tmp_path):
    path = tmp_path / "downstream.csv"
    path.write_text("encoder,task,f1,mae\nldae,ad_vs_cn,0.8,\nldae,age,,4.2\n")
    diagnosis, age = split("downstream", read_csv(path), "task")
    assert (diagnosis.title, age.title) == ("AD vs CN", "age")
    assert diagnosis.columns == ("encoder", "F1 ↑")
    assert age.columns == ("encoder", "MAE ↓ (years)")
    assert diagnosis.download == age.download
    with pytest.raises(UserError, match="no column 'site'"):
        split("downstream", read_csv(path), "site")


def test_an_unreadable_table_is_said(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    with pytest.raises(UserError, match=r"empty\.csv"):
        from_csv(path)


def test_a_table_without_rows_has_none():
    assert from_frame("none", pd.DataFrame({"a": []})).rows == ()


def records(*pairs):
    return [{"step": step, "samples": 2 * step, **values} for step, values in pairs]


def test_training_and_validation_share_a_chart():
    log = records((1, {"loss": 2.0}), (2, {"loss": 1.0}), (2, {"validation_loss": 1.5}))
    (chart,) = draw_charts(log)
    assert chart.title == "loss"
    assert [(line.name, line.last) for line in chart.lines] == [
        ("training", "1.000"),
        ("validation", "1.500"),
    ]
    assert chart.x_ticks[-1][1] == "4"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=900))
def test_lines_stay_on_the_canvas(values):
    (chart,) = draw_charts(records(*((i, {"loss": v}) for i, v in enumerate(values))))
    points = [pair.split(",") for pair in chart.lines[0].path.removeprefix("M").split("L")]
    assert len(points) <= 200
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)


def test_log_keeps_finite_numbers_and_says_where_it_is_broken(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"step": 1, "loss": 0.5, "name": "x", "bad": float("nan")}) + "\n")
    assert read_log(path) == [{"step": 1.0, "loss": 0.5}]
    path.write_text('{"step": 1}\n{"st')
    with pytest.raises(UserError, match="line 2"):
        read_log(path)


def test_an_empty_log_draws_nothing():
    assert draw_charts([]) == []


@pytest.mark.parametrize(
    ("variance", "rank", "margin", "low", "alive", "words"),
    [
        (3.0, 9.0, 0.02, 0.01, True, "is alive"),
        (1e-6, 1.8, 0.02, 0.01, False, "collapsed"),
        (3.0, 1.2, 0.02, 0.01, False, "collapsed"),
        (3.0, 9.0, 0.003, -0.01, False, "not shown to use it"),
        (3.0, 9.0, math.nan, math.nan, True, "varies"),
    ],
)
def test_signs_of_life(variance, rank, margin, low, alive, words):
    row = {
        "encoder": "ldae",
        "variance_per_dim": variance,
        "effective_rank": rank,
        "wrong_subject_margin": margin,
        "wrong_subject_margin_low": low,
        "collapsed": words == "collapsed",
    }
    (state,) = vitality(pd.DataFrame([row]))
    assert state.alive is alive
    assert words in state.statement


def scans(*rows):
    columns = ["participant_id", "months", "age", "sex", "diagnosis", "field_strength", "split"]
    return pd.DataFrame(rows, columns=columns)


SCANS = scans(
    ("sub-A", 12, 71.0, "F", "MCI", 3.0, "train"),
    ("sub-A", 0, 70.0, "F", "CN", 1.5, "train"),
    ("sub-B", 0, 80.0, "M", "CN", 3.0, "train"),
    ("sub-C", 0, 75.0, "F", "AD", 3.0, "test"),
)


def test_demographics_count_subjects_by_their_first_scan():
    table = demographics(SCANS).set_index(["split", "diagnosis"])
    assert table.loc[("train", "CN"), "subjects"] == 2
    assert table.loc[("train", "CN"), "scans"] == 3
    assert table.loc[("train", "CN"), "age, mean (SD)"] == "75.0 (7.1)"
    assert table.loc[("train", "all"), "female"] == "1 (50 %)"
    assert table.loc[("train", "CN"), "field strength"] == "1.5 T / 3 T"
    assert ("train", "MCI") not in table.index
    assert table.loc[("test", "AD"), "age, mean (SD)"] == "75.0"


FLOW = pd.DataFrame(
    [
        ("found", None, 9, 5, 4),
        ("t1w", "not_t1w", 3, 0, 0),
        ("t1w", "<script>", 1, 0, 0),
        ("t1w", None, 5, 5, 4),
        ("placed", None, 5, 5, 4),
        ("converted", None, 5, 5, 4),
    ],
    columns=["step", "reason", "images", "sessions", "subjects"],
)
EXCLUDED = pd.DataFrame({"participant_id": ["sub-D"], "reason": ["brain too small"]})


def test_the_flow_goes_on_through_preprocessing_and_adds_up():
    flow = cohort_flow(FLOW, EXCLUDED, SCANS)
    assert flow.tail(2).fillna("").to_numpy().tolist() == [
        ["preprocessed", "brain too small", 1, 1, 1],
        ["preprocessed", "", 4, 4, 3],
    ]
    assert faults_of(flow) == []


def test_a_flow_that_does_not_add_up_is_told():
    assert faults_of(cohort_flow(FLOW, EXCLUDED[:0], SCANS)) == ["preprocessed"]
    assert faults_of(cohort_flow(FLOW.drop(index=1), EXCLUDED, SCANS)) == ["t1w"]


def test_the_flow_is_drawn_with_every_loss_and_without_empty_steps():
    picture = draw_flow(cohort_flow(FLOW, EXCLUDED, SCANS), SCANS)
    texts = [node.text for node in ElementTree.fromstring(picture).iter() if node.text]
    assert [text for text in texts if text.strip()] == [
        "9 images in the download",
        "5 sessions, 4 subjects",
        "−3 not t1w",
        "−1 <script>",
        "5 T1-weighted images",
        "5 sessions, 4 subjects",
        "5 scans in BIDS",
        "5 sessions, 4 subjects",
        "−1 brain too small",
        "4 scans that models read",
        "4 sessions, 3 subjects",
        "3 in train",
        "2 subjects",
        "0 in validation",
        "0 subjects",
        "1 in test",
        "1 subject",
    ]


def test_rare_reasons_are_summed_up_in_the_figure():
    losses = [("t1w", f"reason {n}", 1, 0, 0) for n in range(12)]
    rows = [("found", None, 12, 0, 0), *losses, ("t1w", None, 0, 0, 0)]
    flow = pd.DataFrame(rows, columns=FLOW.columns)
    assert "−4 for 4 other reasons" in draw_flow(flow, SCANS)
