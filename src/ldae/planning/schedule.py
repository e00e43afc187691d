"""How long a run takes from start to end: jobs are begun as soon as there is room for them."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Jobs of a stage, by their seconds; each takes so many GPUs and cores.

    `jobs` are to be begun, `running` are at work already and have so long to go.
    """

    name: str
    after: tuple[str, ...]
    gpus: int
    cores: int
    jobs: tuple[float, ...]
    running: tuple[float, ...] = ()


def wall_seconds(stages: Sequence[Work], *, gpus: int, cores: int) -> float:
    """Until the last job has ended; earlier stages in `stages` go first, longer jobs within one.

    A stage waits for those `after` which it comes, where these are among `stages`. A job that asks
    for more than there is gets all there is.
    """
    names = {stage.name for stage in stages}
    waiting = {stage.name: sorted(stage.jobs) for stage in stages}
    at_work = {stage.name: len(stage.running) for stage in stages}
    running = [
        (seconds, stage.name, min(stage.gpus, gpus), min(stage.cores, cores))
        for stage in stages
        for seconds in stage.running
    ]
    heapq.heapify(running)
    now = 0.0
    while True:
        over = {name for name in names if not waiting[name] and not at_work[name]}
        for stage in stages:
            needs = min(stage.gpus, gpus), min(stage.cores, cores)
            ready = over.issuperset(names.intersection(stage.after))
            while ready and waiting[stage.name] and _fits(needs, running, gpus, cores):
                ends = now + waiting[stage.name].pop()
                heapq.heappush(running, (ends, stage.name, *needs))
                at_work[stage.name] += 1
        if not running:
            return now
        now, name, *_ = heapq.heappop(running)
        at_work[name] -= 1


def _fits(
    needs: tuple[int, int], running: list[tuple[float, str, int, int]], gpus: int, cores: int
) -> bool:
    used_gpus = sum(job[2] for job in running)
    used_cores = sum(job[3] for job in running)
    return used_gpus + needs[0] <= gpus and used_cores + needs[1] <= cores
