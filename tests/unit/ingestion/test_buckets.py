import pandas as pd
import pytest

from ldae.errors import UserError
from ldae.ingestion.buckets import forget_other_buckets, write_buckets
from ldae.runtime import record_path, write_text
from ldae.tables import CANDIDATES, read_table


def candidates(people, *, sessions=1):
    rows = [
        (f"sub-{who}", f"ses-M{12 * visit:03d}", rank)
        for who in people
        for visit in range(sessions)
        for rank in range(2)
    ]
    frame = pd.DataFrame(rows, columns=["participant_id", "session_id", "rank"])
    places = [f"{index}.dcm" for index in frame.index]
    return frame.assign(
        image_id=frame.index,
        place=places,
        format="DICOM",
        files=[(place, "more.dcm") for place in places],
        fingerprint=None,
        slices=pd.array([None] * len(frame), dtype="Int64"),
        slices_source=None,
    )


def deal(frame, folder, scans_per_job):
    write_buckets(frame, folder, scans_per_job=scans_per_job)
    return {path.stem: read_table(path, CANDIDATES) for path in sorted(folder.iterdir())}


def people_of(buckets):
    return {name: set(table["participant_id"]) for name, table in buckets.items()}


def test_buckets_hold_every_candidate_once_and_whole_participants(tmp_path):
    frame = candidates(range(40), sessions=3)
    buckets = deal(frame, tmp_path / "buckets", 10)
    whole = pd.concat(buckets.values()).sort_values("place", key=lambda p: p.str[:-4].astype(int))
    assert list(whole["place"]) == list(frame["place"])
    assert [list(files) for files in whole["files"]] == [list(files) for files in frame["files"]]
    owners = [who for people in people_of(buckets).values() for who in people]
    assert len(owners) == len(set(owners)) == 40
    assert 8 <= len(buckets) <= 16
    assert all(set(name) <= set("0123456789abcdef") and len(name) == 4 for name in buckets)


def test_a_new_participant_changes_one_bucket(tmp_path):
    deal(candidates(range(40)), tmp_path / "before", 5)
    deal(candidates([*range(40), "new"]), tmp_path / "after", 6)
    before, after = (
        {path.name: read_table(path, CANDIDATES).drop(columns=["place", "image_id", "files"])
         for path in (tmp_path / name).iterdir()}
        for name in ("before", "after")
    )  # fmt: skip
    assert set(before) == set(after)
    changed = [name for name in before if not before[name].equals(after[name])]
    assert len(changed) == 1


def test_buckets_keep_their_names_and_share_participants_when_they_double(tmp_path):
    frame = candidates(range(200))
    few = people_of(deal(frame, tmp_path / "few", 13))
    many = people_of(deal(frame, tmp_path / "many", 7))
    assert (len(few), len(many)) == (16, 32)
    for bucket, people in few.items():
        new = f"{int(bucket, 16) + 0x800:04x}"
        assert many[bucket] | many[new] == people


def test_an_earlier_runs_buckets_are_replaced_by_the_same_bytes(tmp_path):
    folder = tmp_path / "buckets"
    deal(candidates(range(40)), folder, 2)
    deal(candidates(range(4)), folder, 5)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    deal(candidates(range(4)), folder, 5)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert len(first) == 1


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"thesis\.tex, which is no bucket"):
        deal(candidates(range(4)), tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_no_candidates_make_no_buckets(tmp_path):
    assert deal(candidates([]), tmp_path / "buckets", 5) == {}


def test_tables_of_buckets_that_are_no_more_go_with_their_records(tmp_path):
    tables = [tmp_path / "0000.parquet", tmp_path / "8000.parquet"]
    for path in [*tables, *map(record_path, tables)]:
        write_text(path, "")
    forget_other_buckets(tables[:1])
    assert tables[0].exists()
    assert record_path(tables[0]).exists()
    assert not tables[1].exists()
    assert not record_path(tables[1]).exists()
