"""What a run will need, stage by stage, before anything runs: from shapes and measured speed."""

import os
import sys
from math import inf
from pathlib import Path

import torch

from ldae import config
from ldae.errors import UserError
from ldae.models.autoencoder import build_autoencoder
from ldae.planning.forecast import Machine, forecast
from ldae.planning.known import cohort_of, experience_of
from ldae.planning.passes import count_passes
from ldae.planning.schedule import wall_seconds
from ldae.planning.size import CohortSize, expected_size
from ldae.planning.stages import plan_stages
from ldae.planning.text import (
    GIB,
    figure,
    size_text,
    sources,
    stage_table,
    too_long,
    training_table,
)
from ldae.planning.trainings import PlannedTraining, plan_trainings
from ldae.progress import duration
from ldae.runs.start import read_start
from ldae.weights.perceptual import load_lpips


class Settings(config.Config):
    """A whole configuration."""


def plan(
    *,
    settings: Settings | None = None,
    run: Path | None = None,
    scans: int | None = None,
    gpus: int | None = None,
    cores: int | None = None,
    tflops: float = 100.0,
) -> None:
    """Print hours, memory and disk of every stage, and from where the figures are.

    Args:
        settings: a whole configuration, with its overlays; of `run` if it is left out.
        run: folder of a run, done or under way, whose measured times are carried over:
            `results/demo`.
        scans: how many scans there will be; else as many as `run` has, or as the configuration
            makes, or as ADNI has.
        gpus: of the machine that it is planned for; else as many as the largest job asks for.
        cores: of that machine; else as many as this one has.
        tflops: TFLOP/s that a GPU sustains in bfloat16: a quarter to a half of what its maker
            states.

    Raises:
        UserError: there is nothing to plan, or a number makes no sense.
    """
    _require_sense(scans=scans, gpus=gpus, cores=cores, tflops=tflops)
    start = None if run is None else read_start(run)
    if settings is None and start is None:
        raise UserError("give --settings, files of a configuration, or --run, the folder of a run")
    planned: config.Config = settings or start.configuration  # type: ignore[union-attr]
    asked = planned.resources
    most = max(asked.autoencoder.gpu, asked.train.gpu, asked.evaluate.gpu)
    machine = Machine(
        gpus=most if gpus is None else gpus,
        cores=cores or os.cpu_count() or 1,
        tflops=tflops,
    )
    size = expected_size(planned, scans)
    if start is not None and settings is None and scans is None:
        size = cohort_of(start)
    trainings = plan_trainings(planned, size.train)
    stages = plan_stages(planned, size, trainings, count_passes(planned), memory=True)
    forecasts = forecast(stages, machine, experience_of(start) if start else None)
    wall = wall_seconds([each.work for each in forecasts], gpus=machine.gpus, cores=machine.cores)
    warnings = [f"Too long: {each}." for each in too_long(forecasts)]
    parts = [
        _about(planned, size, machine),
        stage_table(forecasts, machine),
        f"From start to end about {duration(wall)}: stages wait for each other, and jobs for room.",
        "\n".join([*sources(forecasts, machine, str(run) if run else None), *warnings]),
        "takes: if nothing else runs. memory: of a job, on its GPU, else what it may use "
        "(resources).\ndisk: without the download; of a training, checkpoint and weights.",
        training_table(trainings, forecasts),
        _notes(planned, trainings, size),
    ]
    sys.stdout.write("\n\n".join(parts) + "\n")


def _require_sense(
    *, scans: int | None, gpus: int | None, cores: int | None, tflops: float
) -> None:
    for name, number, least in (("scans", scans, 1), ("gpus", gpus, 0), ("cores", cores, 1)):
        if number is not None and number < least:
            raise UserError(f"--{name} {number}: should be {least} or more")
    if not 0 < tflops < inf:
        raise UserError(f"--tflops {tflops:g}: should be more than 0")


def _about(settings: config.Config, size: CohortSize, machine: Machine) -> str:
    shape = settings.preprocessing.grid.shape
    with torch.device("meta"):
        latent = build_autoencoder(settings.autoencoder.network).latent_shape(shape)
    return (
        f"Run {settings.run}: {size.scans:,} scans of {size_text(shape)} voxels, {size.train:,} of "
        f"them to train on, {size.test:,} to test on; latents of {size_text(latent)}.\n"
        f"On {machine.gpus} GPU{'' if machine.gpus == 1 else 's'} and {machine.cores} cores."
    )


def _notes(settings: config.Config, trainings: list[PlannedTraining], size: CohortSize) -> str:
    wanted = settings.autoencoder.loss.perceptual > 0
    missing = wanted and load_lpips(settings.pretrained) is None
    without = (
        "; the perceptual loss is not counted, `pretrained` lacks its weights" if missing else ""
    )
    volumes = 4 * size.scans
    for length in settings.preprocessing.grid.shape:
        volumes *= length
    checkpoint = max(training.checkpoint for training in trainings)
    return (
        "GPU GiB: weights, gradients, optimiser, moving average, and the activations of a batch; "
        "libraries take\none or two more. recomputing: the same with activation_checkpointing, "
        f"which takes a third longer.\nTFLOP: per sample, forwards and backwards{without}.\n"
        f"Volumes unpacked for training take at most {figure(volumes / GIB)} GiB (LDAE_CACHE says "
        f"where), the largest\ncheckpoint {figure(checkpoint / GIB)} GiB, twice that while it is "
        "replaced."
    )
