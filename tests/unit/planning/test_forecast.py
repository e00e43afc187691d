"""Closed forms: what is assumed, and how measured times are carried over."""

from dataclasses import replace

import pytest

from ldae.config import StageResources
from ldae.planning.forecast import (
    CORE_FLOPS,
    FLOAT32_SHARE,
    START_SECONDS,
    Experience,
    Machine,
    forecast,
)
from ldae.planning.stage import Stage

CPU = StageResources(gpu=0, threads=2, mem_mb=1000, runtime=60)
GPU = StageResources(gpu=2, threads=2, mem_mb=1000, runtime=60)
MACHINE = Machine(gpus=2, cores=4, tflops=50)
TRAINING = Stage("ldm", "", jobs=1, resources=CPU, flops=1e13)
SCANS = Stage("preprocess", "", jobs=5, resources=CPU, seconds=900, units=100, alike="6.5 mm")


def seconds(stage: Stage, seen: Stage | None = None, *took: float, machine=MACHINE) -> float:
    known = None
    if seen is not None:
        known = Experience([seen], {seen.outline.groups[0]: took}, MACHINE)
    (only,) = forecast([stage], machine, known)
    return only.seconds


def test_networks_take_their_flops_over_the_rate_assumed() -> None:
    assert seconds(TRAINING) == pytest.approx(START_SECONDS + 1e13 / (2 * CORE_FLOPS))
    half = replace(TRAINING, resources=GPU, half=True)
    assert seconds(half) == pytest.approx(START_SECONDS + 1e13 / (2 * 50e12))
    full = replace(half, half=False)
    assert seconds(full) == pytest.approx(START_SECONDS + 1e13 / (2 * 50e12 * FLOAT32_SHARE))


def test_a_job_uses_no_more_than_there_is() -> None:
    training = replace(TRAINING, resources=GPU, half=True)
    alone = Machine(gpus=1, cores=4, tflops=50)
    (only,) = forecast([training], alone)
    assert (only.gpus, only.threads) == (1, 2)
    assert only.seconds == pytest.approx(START_SECONDS + 1e13 / 50e12)
    assert only.gpu_hours == pytest.approx(only.seconds / 3600)
    assert only.core_hours == 0


@pytest.mark.parametrize(("stage", "took"), [(TRAINING, (80.0,)), (SCANS, (30.0,) * 5)])
def test_the_run_itself_takes_what_it_took(stage: Stage, took: tuple[float, ...]) -> None:
    assert seconds(stage, stage, *took) == pytest.approx(sum(took))


def test_measured_work_grows_with_flops_and_the_start_does_not() -> None:
    larger = replace(TRAINING, flops=3e13)
    assert seconds(larger, TRAINING, 80.0) == pytest.approx(
        START_SECONDS + 3 * (80 - START_SECONDS)
    )


def test_measured_seconds_per_scan_grow_with_scans_and_jobs() -> None:
    more = replace(SCANS, units=1000, jobs=40)
    start = 1.5
    expected = 40 * start + 10 * (150 - 5 * start)
    assert seconds(more, SCANS, *(30.0,) * 5) == pytest.approx(expected)


def test_jobs_that_are_not_done_count_as_the_others() -> None:
    assert seconds(SCANS, SCANS, 30.0, 30.0) == pytest.approx(150)


def test_twice_the_threads_take_half_the_work() -> None:
    wide = replace(TRAINING, resources=CPU.model_copy(update={"threads": 4}))
    expected = START_SECONDS + (80 - START_SECONDS) / 2
    assert seconds(wide, TRAINING, 80.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("stage", "seen"),
    [
        (replace(TRAINING, resources=GPU), TRAINING),
        (TRAINING, replace(TRAINING, resources=GPU)),
        (replace(SCANS, alike="1.5 mm"), SCANS),
        (replace(TRAINING, resources=GPU, half=True), replace(TRAINING, resources=GPU)),
    ],
    ids=["on a GPU now", "on a GPU then", "other preprocessing", "other precision"],
)
def test_what_does_not_compare_is_not_carried_over(stage: Stage, seen: Stage) -> None:
    assert seconds(stage, seen, 80.0) == seconds(stage)


def test_what_was_not_measured_is_assumed_and_said_to_be() -> None:
    known = Experience([TRAINING, SCANS], {"train_ldm": [80.0]}, MACHINE)
    found = forecast([TRAINING, SCANS], MACHINE, known)
    assert [each.measured for each in found] == [True, False]
