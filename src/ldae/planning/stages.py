"""Every stage of a run with the work it has to do, in the order of the results page."""

from collections.abc import Iterator
from math import ceil, log2, prod

from ldae import config
from ldae.planning.evaluations import latent_bytes, plan_evaluations
from ldae.planning.passes import Passes
from ldae.planning.size import CohortSize
from ldae.planning.stage import FLOAT_BYTES, Stage, resources_of
from ldae.planning.trainings import PlannedTraining
from ldae.settings import fingerprint

IMAGES_PER_SCAN = 2.0  # in a download
# Assumed CPU seconds, of heads of 1 mm voxels; coarser ones have fewer (docs/benchmarks.md).
INDEX_SECONDS = 0.001  # per image
CONVERT_SECONDS = 3.0
SYNTHESIS_SECONDS = 5.0
PREPROCESS_SECONDS = {"rigid": 14.5, "affine": 14.5, "syn": 29.9}  # registered at 2 mm
RAW_BYTES, RAW_OVERHEAD = 12e6, 1e5  # of a head in BIDS with its sidecars
DERIVED_BYTES, DERIVED_OVERHEAD = 1.2, 3e5  # per voxel of the grid; transforms, picture, sidecars
REPORT_SECONDS = 5.0


def plan_stages(
    settings: config.Config,
    size: CohortSize,
    trainings: list[PlannedTraining],
    passes: Passes,
    *,
    memory: bool = False,
) -> list[Stage]:
    """All stages of a run; counting GPU `memory` takes as long as all the rest."""
    found = [
        *_scans(settings, size),
        *_models(settings, size, trainings, passes, memory=memory),
        *plan_evaluations(settings, size, passes),
    ]
    return [*found, _report(settings)]


def _scans(settings: config.Config, size: CohortSize) -> Iterator[Stage]:
    synthetic = settings.cohort.source == "synthetic"
    voxel = settings.synthetic.voxel_mm if synthetic else 1.0
    coarse = voxel**-3
    buckets = 2 ** max(0, ceil(log2(max(1, size.scans) / settings.resources.scans_per_job)))
    made = SYNTHESIS_SECONDS * coarse if synthetic else 0.0
    per_scan = made + INDEX_SECONDS * IMAGES_PER_SCAN + CONVERT_SECONDS * coarse
    yield Stage(
        name="ingest",
        work=f"{size.scans:,} scans",
        jobs=buckets + (3 if synthetic else 2),
        resources=resources_of("ingest", settings),
        seconds=size.scans * per_scan,
        units=size.scans,
        alike=f"{settings.cohort.source} {voxel}",
        disk=size.scans * (RAW_OVERHEAD + RAW_BYTES * coarse),
    )
    grid, registration = settings.preprocessing.grid, settings.preprocessing.registration
    finer = (2.0 / registration.resolution_mm) ** 3
    yield Stage(
        name="preprocess",
        work=f"{size.scans:,} scans",
        jobs=buckets + 1,
        resources=resources_of("preprocess", settings),
        seconds=size.scans * PREPROCESS_SECONDS[registration.transform] * finer,
        units=size.scans,
        alike=f"{settings.cohort.source} {voxel} {fingerprint(settings.preprocessing)}",
        disk=size.scans * (DERIVED_OVERHEAD + DERIVED_BYTES * prod(grid.shape)),
    )


def _models(
    settings: config.Config,
    size: CohortSize,
    trainings: list[PlannedTraining],
    passes: Passes,
    *,
    memory: bool,
) -> Iterator[Stage]:
    shape = settings.preprocessing.grid.shape
    for training in trainings:
        supervised = training.name.startswith("supervised")
        afterwards = size.scans * passes.encode[training.name] if supervised else 0
        unpacked = FLOAT_BYTES * prod(shape) * size.scans if training.name == "autoencoder" else 0
        yield Stage(
            name=training.name,
            work=f"{training.samples:,} samples",
            jobs=1 + int(supervised),  # a supervised encoder predicts afterwards
            resources=resources_of(training.name, settings),
            flops=training.flops * training.samples + afterwards,
            half=training.settings.precision == "bf16-mixed",
            memory=training.memory_as_set if memory else 0,
            disk=2 * training.checkpoint + FLOAT_BYTES * training.parameters + unpacked,
        )
        if training.name == "autoencoder":
            yield Stage(
                name="latents",
                work=f"{size.scans:,} scans",
                jobs=1,
                resources=resources_of("latents", settings),
                flops=size.scans * passes.compress,
                disk=2 * size.scans * latent_bytes(settings),
            )


def _report(settings: config.Config) -> Stage:
    return Stage(
        name="report",
        work="tables, page",
        jobs=3,
        resources=resources_of("report", settings),
        seconds=REPORT_SECONDS,
    )
