"""How long stages take: as a run measured it, as far as that can be carried over, else assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ldae.planning.schedule import Work
from ldae.planning.stage import Stage

START_SECONDS = 6.0  # assumed, to start a job: Python, torch and the rest are imported
LIGHT_SECONDS = 1.5  # where no network is
CORE_FLOPS = 8e10  # assumed, of a CPU core: what trainings of the demo reached
FLOAT32_SHARE = 0.25  # assumed, of a GPU's bfloat16 rate: convolutions in TF32, little at once
LEAST_WORK = 0.1  # of a job's time, however short it was


@dataclass(frozen=True)
class Machine:
    """What a run may use; `tflops` is what a GPU sustains in bfloat16, in TFLOP/s."""

    gpus: int
    cores: int
    tflops: float = 100.0


@dataclass(frozen=True)
class Experience:
    """A run that was measured: its stages, the seconds of jobs by group, and its machine."""

    stages: Sequence[Stage]
    seconds: Mapping[str, Sequence[float]]
    machine: Machine


@dataclass(frozen=True)
class Forecast:
    """A stage's time: `seconds` of all its jobs, each on `gpus` and `threads`."""

    stage: Stage
    seconds: float
    measured: bool
    gpus: int
    threads: int

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs."""
        return self.seconds * self.gpus / 3600

    @property
    def core_hours(self) -> float:
        """Hours times CPU threads of what runs without a GPU."""
        return 0.0 if self.gpus else self.seconds * self.threads / 3600

    @property
    def job_seconds(self) -> float:
        """Of one job, on average."""
        return self.seconds / self.stage.jobs

    @property
    def work(self) -> Work:
        """As it is scheduled."""
        return Work(
            name=self.stage.name,
            after=self.stage.outline.after,
            gpus=self.gpus,
            cores=self.threads,
            jobs=(self.job_seconds,) * self.stage.jobs,
        )


def forecast(
    stages: Sequence[Stage], machine: Machine, experience: Experience | None = None
) -> list[Forecast]:
    """The time of every stage on `machine`."""
    known = {stage.name: stage for stage in experience.stages} if experience else {}
    found = []
    for stage in stages:
        seconds = None
        if experience and stage.name in known:
            seconds = _carried_over(stage, machine, known[stage.name], experience)
        found.append(
            Forecast(
                stage=stage,
                seconds=_assumed(stage, machine) if seconds is None else seconds,
                measured=seconds is not None,
                gpus=_gpus(stage, machine),
                threads=_threads(stage, machine),
            )
        )
    return found


def _assumed(stage: Stage, machine: Machine) -> float:
    gpus = _gpus(stage, machine)
    rate = _threads(stage, machine) * CORE_FLOPS
    if gpus:
        rate = gpus * machine.tflops * 1e12 * (1 if stage.half else FLOAT32_SHARE)
    return stage.jobs * _start(stage) + stage.flops / rate + stage.seconds


def _carried_over(
    stage: Stage, machine: Machine, seen: Stage, experience: Experience
) -> float | None:
    """What `seen` took, without the jobs' start, by how much more is to do here on how much more.

    None where nothing was measured, or on another kind of device, or with settings that change
    what a scan costs.
    """
    took = [second for group in seen.outline.groups for second in experience.seconds.get(group, [])]
    here, there = _gpus(stage, machine), _gpus(seen, experience.machine)
    if not took or bool(here) != bool(there):
        return None
    if (stage.alike, stage.half and bool(here)) != (seen.alike, seen.half and bool(there)):
        return None
    starts = _start(seen) * len(took)
    work = max(sum(took) - starts, LEAST_WORK * sum(took))
    whole = work * seen.jobs / min(len(took), seen.jobs)
    more = (stage.flops / seen.flops) if seen.flops else (stage.units / seen.units)
    if seen.flops:
        on = here / there if here else _threads(stage, machine) / _threads(seen, experience.machine)
        more /= on
    return (sum(took) - work) * stage.jobs / len(took) + whole * more


def _start(stage: Stage) -> float:
    return START_SECONDS if stage.flops else LIGHT_SECONDS


def _gpus(stage: Stage, machine: Machine) -> int:
    return min(stage.resources.gpu, machine.gpus)


def _threads(stage: Stage, machine: Machine) -> int:
    return max(1, min(stage.resources.threads, machine.cores))
