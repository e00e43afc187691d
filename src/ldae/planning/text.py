"""The plan for people: a table of stages, a table of trainings, and what stands behind them."""

from collections.abc import Sequence

from ldae.planning.forecast import CORE_FLOPS, FLOAT32_SHARE, Forecast, Machine
from ldae.planning.trainings import PlannedTraining
from ldae.progress import duration

GIB = 2**30
STAGES = ("stage", "work", "GPU h", "core h", "takes", "memory GiB", "disk GiB", "figures")
TRAININGS = (
    *("training", "parameters", "trained", "batch", "GPU GiB", "recomputing"),
    *("TFLOP", "samples", "takes"),
)


def stage_table(forecasts: Sequence[Forecast], machine: Machine) -> str:
    """A line per stage, and their sum."""
    rows = [
        (
            each.stage.name,
            each.stage.work,
            amount(each.gpu_hours),
            amount(each.core_hours),
            duration(_alone(each, machine)),
            _memory(each),
            amount(each.stage.disk / GIB),
            "measured" if each.measured else "assumed",
        )
        for each in forecasts
    ]
    sums = (
        sum(each.gpu_hours for each in forecasts),
        sum(each.core_hours for each in forecasts),
        sum(each.stage.disk for each in forecasts) / GIB,
    )
    gpu, core, disk = map(amount, sums)
    total = ("all", "", gpu, core, "", "", disk, "")
    return _aligned([STAGES, *rows, total], left=(0, 1, 7))


def training_table(trainings: Sequence[PlannedTraining], forecasts: Sequence[Forecast]) -> str:
    """A line per training: what its networks are and take."""
    seconds = {each.stage.name: each.seconds for each in forecasts}
    rows = [
        (
            training.name,
            f"{training.parameters:,}",
            f"{training.trained:,}",
            str(training.settings.batch_size),
            figure(training.memory[0] / GIB),
            figure(training.memory[1] / GIB),
            figure(training.flops / 1e12),
            f"{training.samples:,}",
            duration(seconds[training.name]),
        )
        for training in trainings
    ]
    return _aligned([TRAININGS, *rows], left=(0,))


def sources(forecasts: Sequence[Forecast], machine: Machine, measured_in: str | None) -> list[str]:
    """Where the figures come from."""
    found = []
    if measured_in and any(each.measured for each in forecasts):
        found.append(
            f"measured: from {measured_in}/benchmarks, by FLOP where networks work, else by scan."
        )
    if any(not each.measured and each.gpus for each in forecasts):
        found.append(
            f"assumed: a GPU sustains {machine.tflops:g} TFLOP/s in bfloat16 (--tflops), "
            f"{FLOAT32_SHARE:.0%} of it in float32."
        )
    if any(not each.measured and not each.gpus for each in forecasts):
        found.append(
            f"assumed: a core does {CORE_FLOPS / 1e9:g} GFLOP/s in networks; "
            "seconds per scan as in docs/benchmarks.md."
        )
    if measured_in and not all(each.measured for each in forecasts):
        found.append("A figure of another device, or of other preprocessing, is not carried over.")
    return found


def too_long(forecasts: Sequence[Forecast]) -> list[str]:
    """Stages whose jobs take longer than `resources` lets them on a cluster."""
    return [
        f"{each.stage.name}: a job takes about {duration(each.job_seconds)}, and on a cluster may "
        f"take {duration(60 * each.stage.resources.runtime)} (resources: runtime)"
        for each in forecasts
        if each.job_seconds > 60 * each.stage.resources.runtime
    ]


def amount(value: float) -> str:
    """For a column: one decimal where that says something."""
    if value < 0.05:
        return "<0.1" if value else "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def figure(value: float) -> str:
    """Three digits, or whole numbers."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def size_text(shape: tuple[int, ...]) -> str:
    """`24 x 32 x 24`."""
    return " x ".join(map(str, shape))


def _alone(forecast: Forecast, machine: Machine) -> float:
    """Seconds of wall time if nothing else runs."""
    room = machine.cores // forecast.threads
    if forecast.gpus:
        room = min(room, machine.gpus // forecast.gpus)
    return forecast.seconds / min(max(room, 1), forecast.stage.jobs)


def _memory(forecast: Forecast) -> str:
    """Of a job: on its GPU where that is known, else what it may use."""
    if forecast.gpus and forecast.stage.memory:
        return f"{amount(forecast.stage.memory / GIB)} GPU"
    return f"{amount(forecast.stage.resources.mem_mb / 1024)}    "


def _aligned(rows: Sequence[tuple[str, ...]], *, left: tuple[int, ...]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
