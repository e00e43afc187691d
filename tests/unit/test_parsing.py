from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.parsing import (
    known,
    parse_date,
    parse_datetime,
    parse_flag,
    parse_float,
    parse_int,
    parse_manufacturer,
    parse_ptid,
    parse_sex,
    parse_tesla,
    parse_years,
    roster_id,
)

DAYS = st.dates(date(1991, 1, 1), date(2060, 12, 31))


@given(DAYS)
def test_every_spelling_of_a_date_means_that_day(day):
    for text in (
        f"{day}",
        f"{day.year}/{day.month}/{day.day}",
        f"{day.month}/{day.day:02d}/{day.year}",
        f"{day:%m-%d-%Y}",
        f"{day:%m/%d/%y}",
        f"{day:%Y%m%d}",
        f"{day:%d%b%Y}",
        f"{day:%d-%b-%y}",
        f"{day:%d-%b-%Y}".upper(),
        f"{day} 10:11:12.0",
        f"{day}_10_11_12.0",
        f"{day}T10:11:12Z",
        f" {day.month}/{day.day}/{day.year} 12:00:00 AM ",
    ):
        assert parse_date(text) == day, text


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "0000-00-00", "1/01/1900", "soon", "31/12/2010", "2010-02-30", "26.03.2007"),
        *("2010-1/2", "5/2010", "41039", "12-Foo-07", "2010-05-10x"),
    ],
)
def test_what_is_no_date_is_missing(text):
    assert parse_date(text) is None


def test_dates_are_month_first_and_two_digit_years_have_a_pivot():
    assert parse_date("3/04/2010") == date(2010, 3, 4)
    assert parse_date("3/26/07") == date(2007, 3, 26)
    assert parse_date("12-OCT-98") == date(1998, 10, 12)
    assert parse_date("12-Oct-69") is None  # 1969, long before the study


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2011-03-14 16:12:08.0", datetime(2011, 3, 14, 16, 12, 8)),
        ("2011-03-14_16_12_08.0", datetime(2011, 3, 14, 16, 12, 8)),
        ("3/14/2011 4:12 PM", datetime(2011, 3, 14, 16, 12)),
        ("3/14/2011 12:12:00 AM", datetime(2011, 3, 14, 0, 12)),
        ("2011-03-14", datetime(2011, 3, 14)),
        ("2011-03-14 noon", datetime(2011, 3, 14)),
        ("2011-03-14 25:00:00", None),
    ],
)
def test_times_are_kept_where_they_are_known(text, moment):
    assert parse_datetime(text) == moment


@given(st.text())
def test_no_text_breaks_a_parser(text):
    for parse in (known, parse_datetime, parse_int, parse_float, parse_years, parse_tesla):
        parse(text)
    for parse in (parse_sex, parse_flag, parse_manufacturer, parse_ptid, roster_id):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("  MPR;\xa0;\r\n N3 ", "MPR; ; N3"),
        ('" MCI "', "MCI"),
        ("\ufeffRID", "RID"),
        *[(text, None) for text in ("-4", "-4.0", " -1", "NA", "N/A", "NaN", "null", '""', "\xa0")],
        ("-40", "-40"),
        ("-1.5", "-1.5"),
        ("4", "4"),
    ],
)
def test_cells_are_tidied_and_codes_for_missing_are_missing(text, value):
    assert known(text) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[(text, 295) for text in ("0295", "295", "295.0", "295,0", "295.", "I295", "S0295")],
        *[(text, None) for text in ("", None, "x", "29.5", "-295", "I-295", "9" * 30, "²")],
        ("45108.0", 45108),
        ("I11179993", 11179993),
    ],
)
def test_numbers_read_the_same_however_they_were_saved(text, number):
    assert parse_int(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("1.2", 1.2), ("1,2", 1.2), ("3", 3.0), ("-1", None), ("1.2.3", None)]
)
def test_decimals_may_have_a_comma(text, number):
    assert parse_float(text) == number


@pytest.mark.parametrize(
    ("text", "years"),
    [
        *[("73.4", 73.4), ("73,4", 73.4), ("078Y", 78.0), ("75.3833", 75.3833), ("90", 90.0)],
        *[(text, None) for text in ("12", "106", "-4", None, "078M", "old", "nan")],
    ],
)
def test_only_plausible_ages_count(text, years):
    assert parse_years(text) == years


@pytest.mark.parametrize(
    ("text", "sex"),
    [("Male", "M"), ("1", "M"), ("F", "F"), ("female", "F"), ("2.0", "F"), ("X", None)],
)
def test_sex_in_words_and_codes(text, sex):
    assert parse_sex(text) == sex


@pytest.mark.parametrize(
    ("text", "says"), [("TRUE", True), ("1.0", True), ("0", False), ("False", False), ("2", None)]
)
def test_flags_in_words_and_codes(text, says):
    assert parse_flag(text) is says


@pytest.mark.parametrize(
    ("text", "tesla"),
    [
        *[(text, 1.5) for text in ("1.5", "1.5 Tesla MRI", "1.494", "15000 G", "1,5")],
        *[(text, 3.0) for text in ("3", "3.0", "3T", "3 Tesla MRI", "2.8936", "30000")],
        *[("7", 7.0), ("0", None), ("", None), (None, None), ("unknown", None)],
        *[(text, None) for text in ("-3", "nan", "inf", "[1.5]")],
    ],
)
def test_field_strengths(text, tesla):
    assert parse_tesla(text) == tesla


@pytest.mark.parametrize(
    ("text", "maker"),
    [
        *[("SIEMENS", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"), ("Philips Healthcare", "Philips")],
        *[("TOSHIBA", "TOSHIBA"), ("", None), (None, None)],
    ],
)
def test_manufacturers(text, maker):
    assert parse_manufacturer(text) == maker


@pytest.mark.parametrize(
    ("ptid", "rid", "number"),
    [
        *[("002_S_0295", None, 295), ("MCI_100_S_10029", None, 10029), ("002_s_0295", None, 295)],
        *[("sub-ADNI002S0295", None, 295), ("002_S_0295", "7", 295), ("295", "0295", 295)],
        *[(None, "0295", 295), (None, "295.0", 295), (None, None, None)],
        *[("_175_S7273", None, None), ("0002_S_0295", None, None), ("002_S_029", None, None)],
    ],
)
def test_participants_have_one_number_in_all_tables(ptid, rid, number):
    assert roster_id(ptid, rid) == number


def test_subject_ids_have_one_spelling():
    spellings = ["002_S_0295", "sub-ADNI002S0295", "AD_002_S_0295", "002_s_0295_repeat"]
    assert {parse_ptid(text) for text in spellings} == {"002_S_0295"}
    # Labels keep no digits but these, so that subjects with others would be one.
    assert parse_ptid("002_S_0295".replace("0", "\N{ARABIC-INDIC DIGIT ZERO}")) is None
