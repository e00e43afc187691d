"""What an earlier run teaches: its stages, and the seconds of the jobs it has done."""

from collections import defaultdict

from ldae.planning.forecast import Experience, Machine
from ldae.planning.passes import count_passes
from ldae.planning.size import CohortSize, expected_size, size_of
from ldae.planning.stages import plan_stages
from ldae.planning.trainings import plan_trainings
from ldae.runs.jobs import job_times
from ldae.runs.start import Start
from ldae.tables import SCANS, read_table


def cohort_of(start: Start) -> CohortSize:
    """The cohort of a run, as it is or, before it is known, as it is expected."""
    scans = start.folder / "cohort/scans.parquet"
    if scans.is_file():
        return size_of(read_table(scans, SCANS))
    return expected_size(start.configuration)


def experience_of(start: Start) -> Experience:
    """What a run has measured so far."""
    size, settings = cohort_of(start), start.configuration
    trainings = plan_trainings(settings, size.train)
    stages = plan_stages(settings, size, trainings, count_passes(settings))
    times = job_times(start.folder)
    seconds: dict[str, list[float]] = defaultdict(list)
    for group, took in zip(times["group"], times["seconds"], strict=True):
        seconds[group].append(took)
    return Experience(stages, seconds, Machine(gpus=start.room[0], cores=start.room[1]))
