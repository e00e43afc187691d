"""A stage as the plan sees it: how much work, and what its jobs may use."""

from dataclasses import dataclass

from ldae import config
from ldae.planning.outline import OUTLINE, Outline

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Stage:
    """One line of the plan.

    Attributes:
        name: as in `OUTLINE`.
        work: what is done, for people.
        jobs: how many there are.
        resources: of a job.
        flops: of its networks; with `half` in bfloat16.
        seconds: of a CPU, assumed for what no network does.
        units: what seconds that were measured are scaled by where networks do nothing.
        alike: what seconds per unit depend on besides the machine; runs of one text compare.
        memory: bytes on a GPU; 0: not known.
        disk: bytes.
    """

    name: str
    work: str
    jobs: int
    resources: config.StageResources
    flops: float = 0.0
    half: bool = False
    seconds: float = 0.0
    units: float = 1.0
    alike: str = ""
    memory: int = 0
    disk: float = 0.0

    @property
    def outline(self) -> Outline:
        """Its jobs' names and what it waits for."""
        return OUTLINE[self.name]


def resources_of(name: str, settings: config.Config) -> config.StageResources:
    """What a job of the stage `name` may use."""
    return OUTLINE[name].resources(settings)
