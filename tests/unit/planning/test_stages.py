"""The work of a run, at the paper's size and in small."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from ldae.config import Config, Registration
from ldae.planning.evaluations import inversion_steps, latent_bytes
from ldae.planning.outline import OUTLINE, stage_of
from ldae.planning.passes import Passes, count_passes
from ldae.planning.size import CohortSize, expected_size, size_of
from ldae.planning.stage import Stage
from ldae.planning.stages import plan_stages
from ldae.planning.trainings import plan_trainings
from ldae.settings import load_settings

Load = Callable[..., Config]


@pytest.fixture(scope="module")
def load(project: Path) -> Load:
    files = [str(project / f"config/{name}.yaml") for name in ("config", "demo")]
    return lambda *names: load_settings(Config, *files[: 2 if "demo" in names else 1])


@pytest.fixture(scope="module")
def demo(load: Load) -> Config:
    return load("demo")


@pytest.fixture(scope="module")
def passes(demo: Config) -> Passes:
    return count_passes(demo)


SIZE = CohortSize(100, 60, 20, 20, 8, 10)


@pytest.fixture(scope="module")
def stages(demo: Config, passes: Passes) -> Callable[[CohortSize], dict[str, Stage]]:
    """The demo's stages by name; its trainings' budgets are in samples, whatever the cohort."""
    trainings = plan_trainings(demo, SIZE.train)
    return lambda size: {stage.name: stage for stage in plan_stages(demo, size, trainings, passes)}


def test_every_stage_of_the_outline_is_planned_in_its_order(stages) -> None:
    assert [*stages(SIZE)] == [*OUTLINE]


@pytest.mark.parametrize("transform", get_args(Registration.model_fields["transform"].annotation))
def test_every_registration_is_planned(demo, passes, transform: str) -> None:
    registration = demo.preprocessing.registration.model_copy(update={"transform": transform})
    preprocessing = demo.preprocessing.model_copy(update={"registration": registration})
    settings = demo.model_copy(update={"preprocessing": preprocessing})
    planned = {stage.name: stage for stage in plan_stages(settings, SIZE, [], passes)}
    assert planned["preprocess"].seconds > 0


def test_without_baselines_their_stages_are_not_planned(demo) -> None:
    alone = demo.model_copy(update={"baselines": ()})
    trainings = plan_trainings(alone, SIZE.train)
    planned = plan_stages(alone, SIZE, trainings, count_passes(alone))
    found = {stage.name: stage for stage in planned}
    gone = ["ldae-volume", "dae", "supervised-diagnosis", "supervised-age"]
    assert [*found] == [name for name in OUTLINE if name not in gone]
    assert found["inversions"].jobs == len({*demo.reconstruction.steps, demo.manipulation.steps})


def test_a_ddim_step_of_the_ldae_costs_more_than_the_ldms_and_training_three_times_as_much(
    demo, passes
) -> None:
    assert passes.ldm_step < passes.ldae_step < 2 * passes.ldm_step
    ldm = next(each for each in plan_trainings(demo, 60) if each.name == "ldm")
    assert ldm.flops == pytest.approx(3 * passes.ldm_step, rel=0.02)


def test_inversions_are_steps_times_scans(demo, passes, stages) -> None:
    walks = {"ldae": passes.ldae_step, "lddim": passes.ldm_step, "dae": passes.dae_step}
    each = [
        T * walks[model] + passes.compress + passes.encode["ldae"]
        for model, T in inversion_steps(demo)
    ]
    assert stages(SIZE)["inversions"].flops == SIZE.test * sum(each)
    assert latent_bytes(demo) == 4 * 6 * 6 * 8 * 6


def test_twice_the_scans_are_twice_the_work_where_scans_are_worked_on(stages) -> None:
    double = CohortSize(200, 120, 40, 40, 16, 20)
    once, twice = stages(SIZE), stages(double)
    for name in ("inversions", "reconstruction", "embeddings", "latents", "interpolation"):
        assert twice[name].flops == 2 * once[name].flops, name
    assert twice["preprocess"].seconds == 2 * once["preprocess"].seconds
    assert twice["ldm"].flops == once["ldm"].flops  # its budget is in samples


def test_limits_of_the_settings_hold(demo, stages) -> None:
    many = CohortSize(10_000, 6000, 2000, 2000, 800, 100_000)
    limited = stages(many)
    assert limited["manipulation"].work == f"{demo.manipulation.max_subjects} subjects"
    assert limited["interpolation"].work == "1,000 triplets"


def test_jobs_belong_to_stages() -> None:
    assert stage_of("convert") == stage_of("make_cohort") == "ingest"
    assert stage_of("predict_supervised-age") == "supervised-age"
    assert stage_of("something_new") == "something_new"
    groups = [group for outline in OUTLINE.values() for group in outline.groups]
    assert len(groups) == len(set(groups))
    for place, (name, outline) in enumerate(OUTLINE.items()):
        assert {*outline.after} <= {*[*OUTLINE][:place]}, name


def test_before_there_is_a_cohort_its_size_is_that_of_adni_or_of_what_is_made(load) -> None:
    paper = expected_size(load())
    assert (paper.scans, paper.train, paper.validation, paper.test) == (12_000, 10_200, 600, 1200)
    assert paper.test_subjects == 240
    assert paper.triplets == 240 * 10  # of five visits
    assert expected_size(load("demo")).scans == round(2.5 * 54) + 35
    assert expected_size(load("demo"), 50).scans == 50


def test_a_cohort_that_is_there_is_counted() -> None:
    rows = [("a", 0, "train"), ("a", 6, "train"), ("b", 0, "validation")]
    rows += [("c", months, "test") for months in (0, 6, 6, 12, 24)] + [("d", 0, "test")]
    table = pd.DataFrame(rows, columns=["participant_id", "months", "split"])
    assert size_of(table) == CohortSize(9, 2, 1, 6, test_subjects=2, triplets=4)
