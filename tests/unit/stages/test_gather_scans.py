"""Scans that passed are joined and split; every other one is excluded with its reason."""

import pandas as pd
import pytest

from ldae.errors import UserError
from ldae.preprocessing.outputs import outputs_of
from ldae.stages.gather_scans import Settings, gather_scans
from ldae.stages.preprocess import PAPER
from ldae.tables import INGESTED, PREPROCESSED, SCANS, read_table, read_tsv, write_table

SETTINGS = Settings.model_validate(
    {"seed": 1, "quality": PAPER.quality, "split": {"validation": 0.1, "test": 0.3}}
)
GOOD = {
    "qc_brain_ml": 1500.0,
    "qc_border_cm2": 0.0,
    "qc_snr": 14.0,
    "qc_cjv": 0.7,
    "qc_template_dice": 0.95,
    "qc_template_correlation": 0.6,
    "qc_symmetry": 0.97,
}
SUBJECTS = [f"sub-{number:02d}" for number in range(20)]


def ingested_rows():
    return [
        dict.fromkeys(INGESTED.names)
        | {
            "participant_id": name,
            "session_id": f"ses-M{months:03d}",
            "months": months,
            "diagnosis": ("CN", "MCI", "AD", None)[int(name[-2:]) % 4],
            "image_id": months,
            "image": f"{name}.nii.gz",
            "image_sha256": "0",
        }
        for name in SUBJECTS
        for months in (12, 0)
    ]


def preprocessed_rows(**changes):
    rows = [
        {
            "participant_id": row["participant_id"],
            "session_id": row["session_id"],
            "failure": None,
            "volume": "v",
            "mask": "m",
            "volume_sha256": "0",
            "seconds": 1.0,
            **GOOD,
        }
        for row in ingested_rows()
    ]
    rows[0] |= changes
    return rows


@pytest.fixture
def gather(tmp_path):
    def run(preprocessed, settings=SETTINGS):
        write_table(pd.DataFrame(ingested_rows()), tmp_path / "ingested.parquet", INGESTED)
        half = len(preprocessed) // 2
        tables = []
        for name, part in (("0", preprocessed[:half]), ("1", preprocessed[half:])):
            tables.append(tmp_path / f"{name}.parquet")
            frame = pd.DataFrame(part, columns=PREPROCESSED.names)
            write_table(frame, tables[-1], PREPROCESSED)
        gather_scans(
            ingested=tmp_path / "ingested.parquet",
            preprocessed=tables,
            derivatives=tmp_path / "derivatives",
            scans=tmp_path / "scans.parquet",
            excluded=tmp_path / "excluded.tsv",
            settings=settings,
        )
        scans = read_table(tmp_path / "scans.parquet", SCANS)
        return scans, read_tsv(tmp_path / "excluded.tsv")

    return run


def test_all_good_scans_are_kept_in_order(gather):
    scans, excluded = gather(preprocessed_rows())
    assert len(scans) == 40
    assert excluded.empty
    assert list(excluded.columns) == ["participant_id", "session_id", "reason", "detail", *GOOD]
    assert scans["participant_id"].tolist() == sorted(scans["participant_id"])
    assert scans["months"].tolist() == [0, 12] * 20
    assert scans["diagnosis"].isna().sum() == 10


FAILED = {
    "failure": "unreadable: cut off: early",
    "volume": None,
    "mask": None,
    "volume_sha256": None,
    **dict.fromkeys(GOOD),
}


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        (FAILED, "unreadable", "cut off: early"),
        ({"qc_brain_ml": 850.2}, "brain smaller than 900 ml", "850 ml"),
        ({"qc_brain_ml": 2000.6}, "brain larger than 2000 ml", "2001 ml"),
        (
            {"qc_template_dice": 0.8, "qc_template_correlation": 0.1},
            "overlap with the template below 0.85; correlation with the template below 0.55",
            "0.800; 0.100",
        ),
        (
            {"qc_template_correlation": float("nan")},
            "correlation with the template below 0.55",
            "nan",
        ),
    ],
)
def test_a_bad_scan_is_excluded_with_its_reason(gather, changes, reason, detail):
    scans, excluded = gather(preprocessed_rows(**changes))
    assert len(scans) == 39
    assert excluded[["participant_id", "session_id", "reason", "detail"]].to_dict("records") == [
        {
            "participant_id": "sub-00",
            "session_id": "ses-M012",
            "reason": reason,
            "detail": detail,
        }
    ]
    figures = excluded.iloc[0][list(GOOD)].astype(float)
    expected = pd.Series(GOOD | {key: changes[key] for key in GOOD if key in changes}, dtype=float)
    pd.testing.assert_series_equal(figures, expected, check_names=False)


def test_losing_a_scan_moves_no_subject(gather):
    whole, _ = gather(preprocessed_rows())
    less, _ = gather(preprocessed_rows(**FAILED))
    sides = dict(zip(whole["participant_id"], whole["split"], strict=True))
    assert all(sides[row.participant_id] == row.split for row in less.itertuples())
    assert whole.groupby("participant_id")["split"].nunique().max() == 1


def test_a_scan_that_was_not_preprocessed_is_a_mistake(gather):
    with pytest.raises(UserError, match="sub-00 ses-M012 and 0 more: not preprocessed"):
        gather(preprocessed_rows()[1:])


def test_a_scan_that_was_not_ingested_is_a_mistake(gather):
    with pytest.raises(UserError, match="sub-X ses-M012 and 0 more"):
        gather([*preprocessed_rows(), preprocessed_rows(participant_id="sub-X")[0]])


def test_a_scan_in_two_tables_is_a_mistake(gather):
    with pytest.raises(UserError, match="more than one preprocessed table"):
        gather([*preprocessed_rows(), preprocessed_rows()[0]])


def test_no_scan_left_names_the_commonest_reason(gather):
    with pytest.raises(UserError, match=r"none of 40 scans passed.*unreadable"):
        gather([row | FAILED for row in preprocessed_rows()])


def test_files_of_sessions_that_are_no_more_are_removed(gather, tmp_path):
    of = {
        name: outputs_of(
            name, "ses-M012", PAPER.preprocessing, derivatives=tmp_path / "derivatives"
        )
        for name in ("sub-00", "sub-gone")
    }
    for outputs in of.values():
        for path in outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    gather(preprocessed_rows())
    assert all(path.is_file() for path in of["sub-00"])
    assert not (tmp_path / "derivatives/sub-gone").exists()
