import codecs
import csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldae.adni.csv_table import TableError, read_csv, read_header
from ldae.imaging.storage import Storage
from ldae.parsing import known

COLUMNS = {"PTID": ("PTID",), "RID": ("RID",), "DX": ("DX",), "NOTE": ("NOTE", "Comments")}


def read(folder, content, columns=COLUMNS, *, max_rows=1000, name="T.csv"):
    (folder / name).write_bytes(content)
    with Storage(folder) as storage:
        return read_csv(storage, name, columns, max_rows=max_rows, max_mb=100)


def rows_of(folder, content, columns=COLUMNS):
    table = read(folder, content, columns)
    assert not table.left_out
    return list(table.rows)


TEXTS = st.text(st.sampled_from(list("aZ09 .,;:|'\"/()_-é")), max_size=12)


def _has_text(row):
    return any(map(known, row))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_table_reads_the_same_however_it_was_saved(data, tmp_path_factory):
    rows = data.draw(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS).filter(_has_text), max_size=5))
    pad = data.draw(st.sampled_from(["", " ", "\xa0", "  "]))
    missing = st.sampled_from(["", "-4", "-1", "-4.0", "NA", "n/a"])
    cells = [
        [data.draw(missing) if known(text) is None else f"{pad}{text}{pad}" for text in row]
        for row in rows
    ]
    table = [["PTID", "RID", "DX", "NOTE"], *cells]
    order = data.draw(st.permutations(range(4)))
    table = [[row[place] for place in order] for row in table]
    index = data.draw(st.sampled_from(["none", "named", "unnamed", "left out of the header"]))
    if index != "none":
        table = [[str(number), *row] for number, row in enumerate(table)]
        table[0][0] = {"named": "Unnamed: 0"}.get(index, "")
    if index == "left out of the header":
        table[0] = table[0][1:]
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    separator = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=quoting).writerows(table)
    text = buffer.getvalue() + data.draw(st.sampled_from(["", end, separator * 3 + end]))
    if data.draw(st.booleans()):
        text = f"{end}sep={separator}{end}{end}{text}"
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    found = rows_of(tmp_path_factory.mktemp("saved"), text.encode(encoding))
    assert found == [dict(zip(COLUMNS, map(known, row), strict=True)) for row in rows]


@pytest.mark.parametrize(
    "content",
    [
        b'"RID","PTID","DX"\r\n"295","002_S_0295","MCI"\r\n',
        codecs.BOM_UTF8 * 2 + b'"RID","PTID","DX"\n"295","002_S_0295","MCI"\n',
        b"rid;PTID ;Dx\n295;002_S_0295;\xa0MCI \n",
        b" \n\t\t\nRID\tPTID\tDX\n\n295\t002_S_0295\tMCI\n\n\n",
        b"RID,PTID,DX,DX\n295,002_S_0295,,MCI\n",
        b"RID,PTID,DX\nRID,PTID,DX\n295,002_S_0295,MCI\nRID,PTID,DX\n",
        b"RID,PTID,DX\n295,002_S_0295,MCI,,,\n",
        b'"RID" "PTID",PTID,DX,RID\n295,002_S_0295,MCI,295\n',
        b"RID,PTID,DX,SITE\n295,002_S_0295,MCI",
    ],
    ids=[
        *("quoted", "two marks", "spellings", "tabs", "column twice", "header again"),
        *("trailing separators", "odd header", "cut short"),
    ],
)
def test_usual_damage_is_harmless(tmp_path, content):
    wanted = {"PTID": ("PTID",), "RID": ("RID",), "DX": ("DX",)}
    assert rows_of(tmp_path, content, wanted) == [{"PTID": "002_S_0295", "RID": "295", "DX": "MCI"}]


def test_quotes_and_line_ends_inside_text_are_text(tmp_path):
    content = b'RID,NOTE\n1,5" disk\n2,"a ""b"" c"\n3,"a "b" c"\n4,"a\nb"\n'
    found = rows_of(tmp_path, content, {"NOTE": ("NOTE",)})
    assert [row["NOTE"] for row in found] == ['5" disk', 'a "b" c', 'a b" c', "a b"]


def test_of_two_spellings_the_first_that_has_a_value_counts(tmp_path):
    content = b"VISDATE,EXAMDATE\n2006-01-02,2006-01-01\n2007-01-02,-4\n"
    found = rows_of(tmp_path, content, {"EXAMDATE": ("EXAMDATE", "VISDATE")})
    assert [row["EXAMDATE"] for row in found] == ["2006-01-01", "2007-01-02"]


def test_an_absent_column_is_missing_everywhere(tmp_path):
    assert rows_of(tmp_path, b"A,B\n1,2\n", {"AGE": ("AGE",)}) == [{"AGE": None}]


def test_rows_that_do_not_fit_the_header_are_left_out_and_told(tmp_path):
    table = read(tmp_path, b"PTID,RID,DX\n002_S_0295,295,MCI\na,b,c,d\n011_S_0002,2,CN\n")
    assert [row["RID"] for row in table.rows] == ["295", "2"]
    assert table.left_out == (3,)


def test_a_last_column_without_a_name_is_no_index(tmp_path):
    table = read(tmp_path, b"RID,PTID,DX\n295,002_S_0295,MCI,late\n295,002_S_0295,AD,\n")
    assert [row["DX"] for row in table.rows] == ["AD"]
    assert table.left_out == (2,)


def test_rows_swallowed_by_an_unclosed_quote_are_told(tmp_path):
    lines = [b"PTID,RID,DX", b'002_S_0295,295,"MCI', *[b"011_S_0002,2,CN"] * 60, b'"', b"x,3,CN"]
    table = read(tmp_path, b"\n".join(lines))
    assert [row["RID"] for row in table.rows] == ["3"]
    assert table.left_out == (2,)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no header"),
        (b"\n\n  \n", "no header"),
        (b"one column\n1\n", "no header"),
        (b"RID,PTID\n\0\0\0", "no text"),
        (bytes(range(256)) * 9, "no text"),
        (b"PK\x03\x04 a,b\n", "workbook"),
        (b"\xd0\xcf\x11\xe0 a,b\n", "workbook"),
        (b"<!DOCTYPE html>\n<p>a,b</p>", "web page"),
        (b"RID,PTID\n1," + b"x" * 200_000 + b"\n", "line 2"),
        (b'RID,PTID\n1,"' + b"x\n" * 100_000, "field larger"),
        (b"RID,PTID\n1," + b"x" * 3_000_000, "line of more than"),
        (b"RID,PTID\n" + b"1,2\n" * 1001, "more than the 1000 rows"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, why):
    with pytest.raises(TableError, match=why):
        read(tmp_path, content)


def test_a_table_too_large_is_refused(tmp_path):
    content = b"RID,PTID\n" + b"1,2\n" * 300_000
    (tmp_path / "T.csv").write_bytes(content)
    with Storage(tmp_path) as storage, pytest.raises(TableError, match="larger than the 1 MB"):
        read_csv(storage, "T.csv", COLUMNS, max_rows=1_000_000, max_mb=1)


def test_a_table_inside_a_zip_reads_the_same(tmp_path):
    content = b"PTID,RID,DX\n002_S_0295,295,MCI\n"
    with zipfile.ZipFile(tmp_path / "tables.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/T.csv", content)
    with Storage(tmp_path) as storage:
        file = "tables.zip::deep/T.csv"
        assert read_header(storage, file) == ("ptid", "rid", "dx")
        table = read_csv(storage, file, COLUMNS, max_rows=10, max_mb=1)
    assert list(table.rows) == rows_of(tmp_path, content)


def test_a_damaged_zip_is_a_damaged_table(tmp_path):
    content = b"PTID,RID,DX\n" + b"002_S_0295,295,MCI\n" * 9999
    with zipfile.ZipFile(tmp_path / "tables.zip", "w") as archive:
        archive.writestr("T.csv", content)
    raw = bytearray((tmp_path / "tables.zip").read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (tmp_path / "tables.zip").write_bytes(raw)
    with Storage(tmp_path) as storage, pytest.raises(TableError, match="cannot be read to its end"):
        read_csv(storage, "tables.zip::T.csv", COLUMNS, max_rows=99_999, max_mb=1)


def test_a_missing_file_is_a_damaged_table(tmp_path):
    with Storage(tmp_path) as storage, pytest.raises(TableError, match="cannot be read"):
        read_header(storage, "gone.csv")
