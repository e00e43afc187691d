"""Measure how many volumes per second the diffusion autoencoders encode, invert, sample, decode."""

import logging
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from ldae.config import Section, Throughput
from ldae.data.batches import load_batch
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.ldae import load_ldae
from ldae.runtime import pick_device, use_threads
from ldae.tables import SCANS, read_table, write_csv

Name = Literal["ldae", "dae"]
LOADERS: dict[Name, Callable[..., DiffusionAutoencoder]] = {"ldae": load_ldae, "dae": load_dae}
WALKS = ("invert", "sample")  # what T steps cost
WHOLE = "reconstruct"
Seconds = dict[tuple[str, int], list[float]]
"""Seconds of each repeat, by operation and DDIM steps (0: independent of them)."""


class Settings(Section):
    """How many volumes at once, how often, and what is timed as a whole."""

    throughput: Throughput


def measure_throughput(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    names: list[Name],
    steps: list[int],
    table: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Write volumes per second of every operation and step count, with their ratio to the DAE's.

    Operations: `encode` (y_sem), `compress` (z_0; of a DAE a change of scale), `invert` (z_T),
    `sample`, `decode`, and `reconstruct`, all five one after the other. Medians over repeats after
    one warm-up; `_low` and `_high` are the slowest and the fastest repeat. Whole runs are timed up
    to `measured_steps`, the fewest steps always; larger T are so many single steps of these,
    which is exact: every step is the same work. The column `measured` says which.

    Args:
        scans: the table of scans; the first ones are worked on.
        derivatives: the folder its volumes lie in.
        models: the folder of the models' folders.
        names: which models to measure; without `dae` the ratio is empty.
        steps: the counts of DDIM steps.
        table: `tables/throughput.csv`.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads; nothing else should run meanwhile.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device(devices)
    wanted = settings.throughput
    x = load_batch(read_table(scans, SCANS).iloc[: wanted.batch_size], derivatives, device).x
    steps = sorted(set(steps))
    timed = [each for each in steps if each <= wanted.measured_steps] or steps[:1]
    lines = []
    for name in names:
        model = LOADERS[name](models, device=device)
        with torch.inference_mode():
            seconds = _measure(model, x, timed, wanted.repeats)
        for (operation, count), found in _reckoned(seconds, steps).items():
            whole = count in (0, *timed)
            lines.append(
                {"model": name, "operation": operation, "steps": count}
                | _rates(found, len(x))
                | {"measured": "whole runs" if whole else f"{count} steps, of {timed[-1]} timed"}
            )
        logging.info("%s measured", name)
        del model
    machine: dict[str, str | int] = {
        "device": _device_name(device),
        "precision": str(x.dtype).removeprefix("torch."),
        "batch": len(x),
        "threads": threads,
        "repeats": wanted.repeats,
        "torch": torch.__version__,
    }
    write_csv(_beside_dae(pd.DataFrame(lines)).assign(**machine), table)


def _measure(model: DiffusionAutoencoder, x: Tensor, steps: list[int], repeats: int) -> Seconds:
    """Run every operation on volumes (B, 1, X, Y, Z), `repeats` times after a step to warm up."""
    _run_through(model, x, 1)
    seconds: Seconds = defaultdict(list)
    for count in steps:
        for _ in range(repeats):
            for key, value in _run_through(model, x, count).items():
                seconds[key].append(value)
    return seconds


def _run_through(
    model: DiffusionAutoencoder, x: Tensor, steps: int
) -> dict[tuple[str, int], float]:
    """Reconstruct `x`, the clock read after every operation."""
    clock = [_now(model.device)]
    y = model.encode(x)
    clock.append(_now(model.device))
    z_0 = model.to_latent(x)
    clock.append(_now(model.device))
    z_T = model.invert(z_0, y, steps=steps)
    clock.append(_now(model.device))
    z_0 = model.sample(z_T, y, steps=steps)
    clock.append(_now(model.device))
    model.to_volume(z_0)
    clock.append(_now(model.device))
    keys = [("encode", 0), ("compress", 0), ("invert", steps), ("sample", steps), ("decode", 0)]
    parts = {
        key: after - before for key, before, after in zip(keys, clock, clock[1:], strict=False)
    }
    return parts | {(WHOLE, steps): clock[-1] - clock[0]}


def _reckoned(seconds: Seconds, steps: list[int]) -> Seconds:
    """`seconds` with the step counts that were not run: as many steps of the largest that was."""
    most = max(count for _, count in seconds)
    complete = dict(seconds)
    for count in steps:
        if count <= most:
            continue
        for operation in WALKS:
            complete[operation, count] = [
                value * count / most for value in seconds[operation, most]
            ]
        longer = zip(
            *(seconds[key, most] for key in (WHOLE, *WALKS)),
            strict=True,
        )
        complete[WHOLE, count] = [
            whole + (invert + sample) * (count / most - 1) for whole, invert, sample in longer
        ]
    return complete


def _rates(seconds: list[float], volumes: int) -> dict[str, float]:
    return {
        "volumes_per_second": volumes / statistics.median(seconds),
        "volumes_per_second_low": volumes / max(seconds),
        "volumes_per_second_high": volumes / min(seconds),
        "seconds_per_volume": statistics.median(seconds) / volumes,
    }


def _beside_dae(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `ratio_to_dae`, how many times faster than the DAE at the same work."""
    rate = "volumes_per_second"
    keys = ["operation", "steps"]
    dae = table[table["model"] == "dae"].set_index(keys)
    place = pd.MultiIndex.from_frame(table[keys])
    for name, own, other in (
        ("ratio_to_dae", rate, rate),
        ("ratio_to_dae_low", f"{rate}_low", f"{rate}_high"),
        ("ratio_to_dae_high", f"{rate}_high", f"{rate}_low"),
    ):
        table[name] = table[own] / dae[other].reindex(place).to_numpy()
    why = "" if len(dae) else "ratio_to_dae: no DAE was run (it is not in `baselines`)"
    order = ["model", "operation", "steps", rate, "ratio_to_dae"]
    return table[[*order, *table.columns.difference(order, sort=False)]].assign(not_computed=why)


def _now(device: torch.device) -> float:
    """Seconds, once everything that was started on `device` has ended."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
