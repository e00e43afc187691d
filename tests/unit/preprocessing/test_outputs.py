"""The derivative dataset says where it is from, and holds nothing that does not belong."""

import json

import pytest

from ldae.preprocessing.outputs import outputs_of, remove_strangers, write_description


@pytest.mark.parametrize(
    ("raw", "datasets", "links"),
    [("../../bids", [{"URL": "../../bids"}], {"raw": "../../bids"}), (None, None, None)],
)
def test_only_a_dataset_that_was_read_is_named_as_source(tmp_path, raw, datasets, links):
    write_description(tmp_path, raw=raw)
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description.get("SourceDatasets") == datasets
    assert description.get("DatasetLinks") == links


def test_the_description_is_renewed_only_when_it_says_something_else(tmp_path):
    path = tmp_path / "dataset_description.json"
    path.write_text("{}")
    write_description(tmp_path, raw="bids")
    before = path.stat().st_mtime_ns
    write_description(tmp_path, raw="bids")
    assert path.stat().st_mtime_ns == before
    write_description(tmp_path, raw="other")
    assert "other" in path.read_text()


def touch_all(outputs):
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_removing_takes_what_other_settings_and_killed_jobs_left(tmp_path, settings):
    finer = settings.model_copy(
        update={
            "grid": settings.grid.model_copy(update={"spacing_mm": 1.5}),
            "registration": settings.registration.model_copy(update={"transform": "syn"}),
        }
    )
    of = {
        (session, name): outputs_of("sub-A", session, kind, derivatives=tmp_path)
        for session in ("ses-1", "ses-10")
        for name, kind in (("now", settings), ("before", finer))
    }
    for outputs in of.values():
        touch_all(outputs)
    outputs = of["ses-1", "now"]
    half = outputs.volume.with_name(f".77.{outputs.volume.name}")
    foreign = outputs.volume.with_name("sub-A_ses-1_desc-lesion_mask.nii.gz")
    half.touch()
    foreign.touch()
    outputs.remove()
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {foreign, *of["ses-10", "now"], *of["ses-10", "before"]}


def test_sessions_that_are_no_more_lose_their_files_and_no_others(tmp_path, settings):
    sessions = [("sub-A", "ses-1"), ("sub-A", "ses-2"), ("sub-B", "ses-1")]
    of = {scan: outputs_of(*scan, settings, derivatives=tmp_path) for scan in sessions}
    for outputs in of.values():
        touch_all(outputs)
    foreign = of["sub-B", "ses-1"].volume.with_name("sub-B_ses-1_desc-lesion_mask.nii.gz")
    foreign.touch()
    write_description(tmp_path, raw=None)
    assert remove_strangers(tmp_path, {("sub-A", "ses-1")}) == 20
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    description = {tmp_path / name for name in (".bidsignore", "dataset_description.json")}
    assert left == {foreign, *of["sub-A", "ses-1"], *description}
    assert not (tmp_path / "sub-A/ses-2").exists()
    assert remove_strangers(tmp_path, {("sub-A", "ses-1")}) == 0
