import shutil

import pandas as pd
import pytest

from ldae.config import Cohort, Matching
from ldae.errors import UserError
from ldae.stages.index_download import Settings, index_download
from ldae.tables import CANDIDATES, PLANNED, read_table


@pytest.fixture
def run(limits, tmp_path):
    def index(download, *, source="adni", scans_per_job=4):
        index_download(
            download=download,
            planned=tmp_path / "cohort/planned.parquet",
            buckets=tmp_path / "cohort/buckets",
            scans_per_job=scans_per_job,
            settings=Settings(
                cohort=Cohort(source=source, download=None),
                selection=limits,
                matching=Matching(near_days=90, distant_days=183, bracket_days=400),
            ),
        )
        return tmp_path / "cohort"

    return index


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_download_becomes_a_table_of_images_and_buckets_of_candidates(
    run, tmp_path, write_series
):
    write_series(image_id=101)
    write_series(image_id=102, description="FLAIR")
    write_series(image_id=201, ptid="002_S_0413")
    cohort = run(tmp_path / "download", source="synthetic", scans_per_job=1)
    planned = read_table(cohort / "planned.parquet", PLANNED)
    assert list(planned["image_id"]) == [101, 102, 201]
    tables = [read_table(path, CANDIDATES) for path in sorted((cohort / "buckets").iterdir())]
    assert sorted(image for table in tables for image in table["image_id"]) == [101, 201]
    for table in tables:
        assert all((tmp_path / "download" / file).is_file() for row in table.files for file in row)


def test_a_second_run_changes_nothing_and_an_addition_only_what_it_must(
    run, tmp_path, write_series
):
    write_series(image_id=101)
    first = tree(run(tmp_path / "download"))
    assert tree(run(tmp_path / "download")) == first
    write_series(image_id=104, when="2012-03-11 09:00:00")
    again = tree(run(tmp_path / "download"))
    assert set(again) == set(first)
    assert len(read_table(tmp_path / "cohort/planned.parquet", PLANNED)) == 2


@pytest.mark.parametrize("zipped", [False, True])
def test_a_replaced_file_changes_its_bucket_and_no_other(run, tmp_path, write_series, zipped):
    broken = write_series(image_id=101)[5]
    write_series(image_id=201, ptid="002_S_0413")
    content = broken.read_bytes()

    def index():
        if zipped:
            (tmp_path / "zips").mkdir(exist_ok=True)
            shutil.make_archive(str(tmp_path / "zips/ADNI1"), "zip", tmp_path / "download")
        cohort = run(tmp_path / ("zips" if zipped else "download"), scans_per_job=1)
        tables = [read_table(path, CANDIDATES) for path in (cohort / "buckets").iterdir()]
        marks = pd.concat(tables).set_index("image_id")["fingerprint"]
        return tree(cohort / "buckets"), marks

    broken.write_bytes(content[:500])
    before, old = index()
    broken.write_bytes(content)
    after, new = index()
    changed = [name for name in before if after[name] != before[name]]
    assert set(after) == set(before)
    assert len(changed) == 1
    assert new[101] != old[101]
    assert new[201] == old[201]


def test_a_file_that_cannot_be_read_is_left_to_conversion(run, tmp_path, write_series):
    link = write_series(image_id=101)[3]
    link.unlink()
    link.symlink_to("nowhere")
    (bucket,) = (run(tmp_path / "download") / "buckets").iterdir()
    assert read_table(bucket, CANDIDATES)["fingerprint"].isna().all()


def test_images_of_a_zip_are_indexed_without_unpacking_it(run, tmp_path, write_series):
    write_series(image_id=101)
    zips = tmp_path / "zips"
    zips.mkdir()
    shutil.make_archive(str(zips / "ADNI1"), "zip", tmp_path / "download")
    cohort = run(zips)
    (bucket,) = (cohort / "buckets").iterdir()
    (candidate,) = read_table(bucket, CANDIDATES).itertuples()
    assert candidate.place.startswith("ADNI1.zip::ADNI/002_S_0295/")
    assert list(tree(zips)) == ["ADNI1.zip"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "not there"),
        (
            lambda folder: [shutil.rmtree(path) for path in folder.iterdir()],
            "no image found.*doctor",
        ),
        (
            lambda folder: [shutil.rmtree(path) for path in folder.rglob("MPRAGE*")],
            r"none of 2 images can be used \(1 empty_folder, 1 not_t1w\); T1-weighted",
        ),
        (lambda folder: (shutil.rmtree(folder), folder.touch()), "not a folder"),
    ],
)
def test_a_download_without_scans_is_one_readable_error(
    run, tmp_path, write_series, spoil, message
):
    write_series(image_id=101)
    write_series(image_id=103, description="3-plane localizer", slices=range(3))
    (tmp_path / "download/ADNI/002_S_0413/DTI/2011-03-14_16_12_08.0/I7").mkdir(parents=True)
    spoil(tmp_path / "download")
    with pytest.raises(UserError, match=message):
        run(tmp_path / "download")
    assert not (tmp_path / "cohort").exists()


def test_a_folder_named_by_mistake_for_the_buckets_is_left_alone(run, tmp_path, write_series):
    write_series(image_id=101)
    (tmp_path / "cohort/buckets").mkdir(parents=True)
    (tmp_path / "cohort/buckets/photo.jpg").touch()
    with pytest.raises(UserError, match=r"photo\.jpg"):
        run(tmp_path / "download")
    assert list(tree(tmp_path / "cohort")) == ["buckets/photo.jpg"]


@pytest.mark.parametrize("own", ["bids", "scans.csv"])
def test_own_data_are_planned_by_the_same_stage(run, tmp_path, own):
    image = tmp_path / "bids/sub-1/ses-M012/anat/sub-1_ses-M012_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    (tmp_path / "scans.csv").write_text(
        f"subject,path,diagnosis,session,age\n1,{image.relative_to(tmp_path)},AD,M012,71.5\n"
    )
    cohort = run(tmp_path / own, source="bids")
    (row,) = read_table(cohort / "planned.parquet", PLANNED).itertuples()
    assert (row.participant_id, row.session_id, row.rank) == ("sub-1", "ses-M012", 0)
    (bucket,) = (cohort / "buckets").iterdir()
    assert read_table(bucket, CANDIDATES)["place"].tolist() == [row.place]
