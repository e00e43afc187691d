from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.data.training_scans import TrainingScans
from ldae.errors import UserError
from ldae.tables import SCANS, read_table, scan_names, write_table


@pytest.fixture
def sides(blob_scans: Path, tmp_path: Path) -> TrainingScans:
    scans, derivatives = blob_scans / "scans.parquet", blob_scans / "derivatives"
    return TrainingScans.open(scans, derivatives, state=tmp_path / "state/model")


def test_sides_are_those_of_the_table(sides: TrainingScans, blob_scans: Path) -> None:
    table = read_table(blob_scans / "scans.parquet", SCANS)
    for name, side in (("train", sides.train), ("validation", sides.validation)):
        expected = table[table["split"] == name]
        assert sorted(side.names) == sorted(scan_names(expected))
        assert sorted(side.hashes) == sorted(expected["volume_sha256"])
        assert [path.name for path in side.volumes.paths] == [
            Path(volume).name for volume in side.rows["volume"]
        ]


def test_volumes_are_unpacked_once_beside_the_checkpoint(
    sides: TrainingScans, tmp_path: Path
) -> None:
    first = sides.train.volumes[0]
    assert sides.train.volumes is sides.train.volumes
    unpacked = tmp_path / "state/volumes" / f"{sides.train.hashes[0]}.npy"
    np.testing.assert_array_equal(np.load(unpacked), first.numpy())


def test_some_of_a_side_keep_their_order_and_the_others_their_place_in_the_cache(
    sides: TrainingScans, tmp_path: Path
) -> None:
    sides.train.volumes[1]
    left_out = sides.train.hashes[1]
    chosen = pd.Series([index % 2 == 0 for index in range(len(sides.train.rows))])
    some = sides.train.where(chosen)
    assert some.names == sides.train.names[::2]
    assert some.rows.index.tolist() == list(range(len(some.names)))
    some.volumes[0]
    assert (tmp_path / "state/volumes" / f"{left_out}.npy").is_file()


def test_a_side_without_scans_is_said(blob_scans: Path, tmp_path: Path) -> None:
    table = read_table(blob_scans / "scans.parquet", SCANS)
    write_table(table[table["split"] != "validation"], tmp_path / "scans.parquet", SCANS)
    with pytest.raises(UserError, match="no scan is in the split validation"):
        TrainingScans.open(
            tmp_path / "scans.parquet", blob_scans / "derivatives", state=tmp_path / "state/model"
        )
