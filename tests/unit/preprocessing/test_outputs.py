import json

import pytest

from ldae.preprocessing.outputs import write_description


@pytest.mark.parametrize(
    ("sources", "written"), [(["../../bids"], [{"URL": "../../bids"}]), ([], None)]
)
def test_only_a_dataset_that_was_read_is_named_as_source(tmp_path, sources, written):
    write_description(tmp_path, sources=sources)
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description.get("SourceDatasets") == written
