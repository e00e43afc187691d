import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.planning.schedule import Work, wall_seconds


def work(name: str, *jobs: float, after: tuple[str, ...] = (), gpus: int = 0, cores: int = 1):
    return Work(name, after, gpus, cores, jobs)


def test_jobs_share_cores_the_longest_first() -> None:
    assert wall_seconds([work("a", 1, 1, 1, 3)], gpus=0, cores=2) == 3
    assert wall_seconds([work("a", 1, 1, 1, 3)], gpus=0, cores=1) == 6


def test_a_stage_waits_for_those_before_it_as_far_as_there_are_any() -> None:
    chain = [work("a", 2.0), work("b", 3.0, after=("a", "missing")), work("c", 4.0)]
    assert wall_seconds(chain, gpus=0, cores=9) == 5
    assert wall_seconds(chain[1:], gpus=0, cores=9) == 4


def test_a_gpu_is_used_by_one_job_at_a_time_while_cores_go_on() -> None:
    stages = [work("a", 5.0, 5.0, gpus=1), work("b", *[1.0] * 10)]
    assert wall_seconds(stages, gpus=1, cores=2) == 10
    assert wall_seconds(stages, gpus=2, cores=4) == 5


def test_a_job_that_asks_for_too_much_gets_what_there_is() -> None:
    assert wall_seconds([work("a", 5.0, gpus=4, cores=64)], gpus=1, cores=2) == 5


def test_jobs_at_work_go_on_and_the_others_wait_for_room() -> None:
    at_work = Work("a", (), gpus=0, cores=1, jobs=(2.0,), running=(1.0, 4.0))
    after = work("b", 1.0, after=("a",))
    assert wall_seconds([work("c", 1.0), at_work, after], gpus=0, cores=2) == 5
    assert wall_seconds([at_work], gpus=0, cores=1) == 6


def test_nothing_takes_no_time() -> None:
    assert wall_seconds([work("a"), work("b", after=("a",))], gpus=0, cores=1) == 0


@given(
    st.lists(st.floats(0.1, 100), min_size=1, max_size=20),
    st.integers(1, 6),
)
def test_it_lies_between_perfect_packing_and_one_after_the_other(jobs, cores) -> None:
    took = wall_seconds([work("a", *jobs)], gpus=0, cores=cores)
    assert took >= max(sum(jobs) / cores, *jobs) - 1e-6
    assert took <= sum(jobs) / cores + max(jobs) + 1e-6


def test_more_of_everything_is_never_slower_for_equal_jobs() -> None:
    stages = [work("a", *[2.0] * 12, gpus=1), work("b", *[1.0] * 12, after=("a",))]
    times = [wall_seconds(stages, gpus=n, cores=4 * n) for n in (1, 2, 3, 4)]
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(24 + 3)
