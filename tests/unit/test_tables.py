from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ldae.errors import UserError
from ldae.tables import read_table, read_tsv, write_table, write_tsv

SCHEMA = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("days", pa.int64())])
FRAME = pd.DataFrame({"days": pd.array([1, None], dtype="Int64"), "name": ["a", "b"]})


def test_columns_come_back_in_the_schemas_order(tmp_path: Path) -> None:
    write_table(FRAME, tmp_path / "t.parquet", SCHEMA)
    frame = read_table(tmp_path / "t.parquet", SCHEMA)
    assert list(frame.columns) == ["name", "days"]
    assert frame["days"].isna().tolist() == [False, True]


def test_the_same_table_has_the_same_bytes(tmp_path: Path) -> None:
    write_table(FRAME, tmp_path / "a.parquet", SCHEMA)
    write_table(FRAME.copy(), tmp_path / "b.parquet", SCHEMA)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    write_table(FRAME, tmp_path / "t.parquet", SCHEMA)
    wider = pa.schema([*SCHEMA, pa.field("age", pa.float64())])
    with pytest.raises(UserError, match=r"missing: \['age'\]"):
        read_table(tmp_path / "t.parquet", wider)


def test_a_truncated_table_is_an_error_for_people(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(FRAME, path, SCHEMA)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=str(path)):
        read_table(path, SCHEMA)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(FRAME, path, SCHEMA)
    before = path.read_bytes()
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        write_table(FRAME.assign(days=["x", "y"]), path, SCHEMA)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_missing_values_are_n_a_in_tsv(tmp_path: Path) -> None:
    write_tsv(FRAME, tmp_path / "t.tsv")
    assert "n/a\tb" in (tmp_path / "t.tsv").read_text()
    assert read_tsv(tmp_path / "t.tsv")["days"].isna().tolist() == [False, True]


@pytest.mark.parametrize("content", [b"", b"a\tb\n1\t2\t3\n4\t5\n6\t7\t8\t9\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_tsv_is_an_error_for_people(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        read_tsv(path)


@pytest.mark.parametrize("days", [["x", "y"], [[1], [2]]])
def test_columns_of_another_type_are_an_error_for_people(
    tmp_path: Path, days: list[object]
) -> None:
    path = tmp_path / "t.parquet"
    FRAME.assign(days=days)[["name", "days"]].to_parquet(path)
    with pytest.raises(UserError, match=str(path)):
        read_table(path, SCHEMA)
