from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.tables import (
    newest_table,
    parse_date,
    parse_int,
    parse_years,
    read_rows,
    read_study_tables,
    roster_id,
)

PLAIN = b'"RID","PTID","DX"\n"295","002_S_0295","MCI"\n"2","011_S_0002",""\n'


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b",", b";"),
        PLAIN.replace(b"MCI", b" MCI\xc2\xa0"),
        PLAIN.replace(b"MCI", b" MCI\xa0"),
        PLAIN.replace(b'""', b'"-4"'),
        PLAIN.replace(b'""', b'"-1"'),
        b'"","DX","PTID","RID"\n"1","MCI","002_S_0295","295"\n"2","n/a","011_S_0002","2"\n',
    ],
    ids=["plain", "bom", "crlf", "semicolon", "nbsp", "latin-1", "-4", "-1", "index column"],
)
def test_a_table_reads_the_same_however_it_was_saved(tmp_path, content):
    path = tmp_path / "T.csv"
    path.write_bytes(content)
    assert read_rows(path, ["PTID", "RID", "DX"]) == [
        {"PTID": "002_S_0295", "RID": "295", "DX": "MCI"},
        {"PTID": "011_S_0002", "RID": "2", "DX": None},
    ]


def test_an_absent_column_is_missing_everywhere_and_reported(tmp_path, caplog):
    (tmp_path / "T.csv").write_bytes(PLAIN)
    rows = read_rows(tmp_path / "T.csv", ["PTID", "AGE"])
    assert [row["AGE"] for row in rows] == [None, None]
    assert "no column AGE" in caplog.text


def test_a_row_cut_short_is_padded_with_missing(tmp_path):
    (tmp_path / "T.csv").write_bytes(PLAIN + b'"3"\n')
    assert read_rows(tmp_path / "T.csv", ["RID", "DX"])[-1] == {"RID": "3", "DX": None}


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["DXSUM.csv"], "DXSUM.csv"),
        (["dxsum_28Jan2026.csv"], "dxsum_28Jan2026.csv"),
        (["DXSUM.csv", "DXSUM_28Jan2026.csv"], "DXSUM_28Jan2026.csv"),
        (
            ["DXSUM_28Jan2026.csv", "All_Subjects_DXSUM_07Sep2025.csv", "DXSUM_9Feb2024.csv"],
            "DXSUM_28Jan2026.csv",
        ),
        (["T1w_MRI_Cohort__67_Subjects_DXSUM_05Oct2025.csv"],) * 2,
        (["DXSUMMARY.csv", "DXSUM_notes.csv"], None),
    ],
)
def test_the_newest_table_of_a_name_is_taken(names, chosen):
    chosen = chosen[0] if isinstance(chosen, list) else chosen
    found = newest_table("DXSUM", [Path("tables") / name for name in names])
    assert (found and found.name) == chosen


def test_image_lists_are_known_by_their_columns_and_all_read(tmp_path):
    header = (
        '"Image Data ID","Subject","Group","Sex","Age","Visit","Description","Type","Acq Date"\n'
    )
    for number in (1, 2):
        line = f'"I{number}","002_S_0295","CN","F","74","4","MPRAGE","Original","6/08/2017"\n'
        (tmp_path / f"any_name_{number}.csv").write_text(header + line)
    tables = read_study_tables(tmp_path.glob("*.csv"))
    assert [row["Image Data ID"] for row in tables.images] == ["I1", "I2"]
    assert tables.adnimerge == tables.dxsum == ()


DAYS = st.dates(date(1991, 1, 1), date(2060, 12, 31))


@given(DAYS)
def test_every_spelling_of_a_date_means_that_day(day):
    month_first = f"{day.month}/{day.day:02d}/{day.year}"
    for text in (f"{day}", month_first, f"{day:%Y%m%d}", f"{day:%d%b%Y}", f"{day} 10:11:12.0"):
        assert parse_date(text) == day


@pytest.mark.parametrize("text", [None, "", "0000-00-00", "1/01/1900", "soon", "31/12/2010"])
def test_what_is_no_date_is_missing(text):
    assert parse_date(text) is None


def test_two_digit_years_are_of_this_century():
    assert parse_date("3/26/07") == date(2007, 3, 26)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0295", 295), ("295.0", 295), ("I303066", 303066), ("", None), (None, None), ("x", None)],
)
def test_numbers_read_the_same_however_they_were_saved(text, number):
    assert parse_int(text) == number


@pytest.mark.parametrize(
    ("ptid", "rid", "number"),
    [
        ("002_S_0295", None, 295),
        ("MCI_100_S_10029", None, 10029),
        (None, "0295", 295),
        (None, None, None),
    ],
)
def test_participants_have_one_number_in_all_tables(ptid, rid, number):
    assert roster_id(ptid, rid) == number


@pytest.mark.parametrize(
    ("text", "years"), [("73.4", 73.4), ("078Y", 78.0), ("12", None), ("-4", None), (None, None)]
)
def test_only_plausible_ages_count(text, years):
    assert parse_years(text) == years
