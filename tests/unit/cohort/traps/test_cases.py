import pytest
from tests.unit.cohort.downloads import Download

from ldae.cohort.clinic import FIRST_TRAP_RID, enrol
from ldae.cohort.traps.cases import COLUMNS, SCREENING_DAYS, TRAPS, Case, set_traps
from ldae.config import Synthetic
from ldae.errors import UserError


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return set_traps(seed=3)


def test_every_trap_has_a_name_and_a_participant_of_its_own(cases: list[Case]) -> None:
    assert len({trap.name for trap in TRAPS}) == len(TRAPS) == len(cases)
    assert len({case.subject.rid for case in cases}) == len(cases)
    assert min(case.subject.rid for case in cases) == FIRST_TRAP_RID


def test_participants_come_on_the_day_and_stay_as_they_are(cases: list[Case]) -> None:
    for case in cases:
        baseline = case.subject.visits[0].exam_date
        for visit in case.subject.visits:
            assert visit.diagnosis == case.trap.diagnosis
            assert visit.months == round((visit.exam_date - baseline).days / 30.4375)
            before = SCREENING_DAYS if visit.index == 0 else 0
            assert (visit.exam_date - visit.scan_date).days == before
            years = (visit.scan_date - baseline).days / 365.25
            assert visit.age == pytest.approx(case.subject.baseline_age + years)
            assert 45 <= visit.age <= 105


def test_images_have_ids_of_their_own_but_for_copies(cases: list[Case]) -> None:
    ids = [
        image.image_id
        for case in cases
        for shot, image in zip(case.trap.shots, case.images, strict=True)
        if not shot.same_id
    ]
    assert len(set(ids)) == len(ids)
    versions = [
        (case.images[shot.version_of].series_id, image.series_id)
        for case in cases
        for shot, image in zip(case.trap.shots, case.images, strict=True)
        if shot.version_of is not None
    ]
    assert versions
    assert all(own == source for own, source in versions)


def test_expectations_are_complete(trapped: Download) -> None:
    table = trapped.expected
    assert list(table) == COLUMNS
    assert set(table.status) == {"used", "excluded", "absent"}
    used = table[table.status == "used"]
    assert used[["image_id", "subject", "session_id", "diagnosis", "age"]].notna().all(axis=None)
    assert used.reason.isna().all()
    assert table[table.status == "excluded"].reason.notna().all()
    assert set(used.diagnosis) == {"CN", "MCI", "AD", "n/a"}
    assert not used.image_id.duplicated().any()


@pytest.mark.parametrize(
    "reason",
    [
        *("no_image_id", "no_subject_id", "conflicting_copies", "conflicting_subjects"),
        *("empty_folder", "unknown_format", "unreadable_archive", "nested_archive"),
        *("not_t1w", "too_few_slices", "failed_archive_quality", "missing_slices", "truncated"),
        *("several_volumes", "unreadable_dicom", "unreadable_nifti", "no_voxel_size"),
        *("not_selected:processed", "not_selected:no_distortion_correction"),
        *("not_selected:other_field_strength", "not_selected:archive_not_selected"),
        *("not_selected:repeat", "not_selected:accelerated", "not_selected:later_exam"),
        *("not_selected:nifti_copy", "not_selected:later_series"),
        "not_selected:higher_image_id",
    ],
)
def test_every_reason_happens(trapped: Download, reason: str) -> None:
    assert reason in set(trapped.expected.reason)


@pytest.mark.parametrize(
    "flag",
    [
        *("age_sources_differ", "date_sources_differ", "diagnosis_distant"),
        *("diagnosis_bracketed", "diagnosis_reverted", "baseline_unknown"),
    ],
)
def test_every_flag_happens(trapped: Download, flag: str) -> None:
    assert flag in set(trapped.expected["flags"])


def test_nothing_in_the_download_tells_what_is_expected(trapped: Download) -> None:
    names = [path.name for path in trapped.root.rglob("*")]
    assert not any("expected" in name or "truth" in name for name in names)


def test_a_trap_leaves_what_it_says(trapped: Download) -> None:
    table = trapped.expected.astype({"image_id": "Int64"}).set_index("trap")
    empty = table.loc["an empty folder"]
    (folder,) = trapped.root.glob(f"ADNI/{empty.subject}/*/*/I{empty.image_id}")
    assert folder.is_dir()
    assert not list(folder.iterdir())
    copied = table.loc["the same files in an S folder and, moved, in an I folder"]
    found = [path for path in trapped.images() if f"_I{copied.image_id}.dcm" in path]
    assert {path.split("/")[0] for path in found} == {"ADNI", "moved"}
    parts = table.loc["parts that overlap, in two zips"]
    found = [path for path in trapped.images() if f"_I{parts.image_id}.dcm" in path]
    assert {path.split("::")[0] for path in found} == {"Synthetic1.zip", "Synthetic1(1).zip"}


def test_participants_of_traps_keep_their_numbers() -> None:
    crowd = Synthetic.model_validate(
        {
            "subjects": {"CN": 3001},
            "visit_months": (0,),
            "visits_per_subject": (1, 1),
            "voxel_mm": 4.0,
            "traps": False,
        }
    )
    with pytest.raises(UserError, match=r"synthetic\.subjects: at most 3000"):
        enrol(crowd, seed=0)
