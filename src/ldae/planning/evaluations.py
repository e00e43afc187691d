"""The stages that evaluate trained models: passes through networks, scan by scan."""

from collections.abc import Iterator
from math import prod

from ldae import config
from ldae.planning.passes import Passes
from ldae.planning.size import CohortSize
from ldae.planning.stage import FLOAT_BYTES, Stage, resources_of

TIMES = 10  # diffusion times at which the use of a code is measured
PROBE_SECONDS = 20.0  # assumed


def plan_evaluations(settings: config.Config, size: CohortSize, passes: Passes) -> Iterator[Stage]:
    """From embeddings to the explorer."""
    yield from _codes(settings, size, passes)
    yield _reconstruction(settings, size, passes)
    yield _representation(settings, size, passes)
    yield Stage(
        name="probes",
        work=f"{size.test:,} scans",
        jobs=2,
        resources=resources_of("probes", settings),
        seconds=PROBE_SECONDS,
    )
    yield from _edits(settings, size, passes)
    yield from _samples(settings, passes)
    yield _explorer(settings, size, passes)


def _codes(settings: config.Config, size: CohortSize, passes: Passes) -> Iterator[Stage]:
    """y_sem of every scan, z_T of test scans."""
    coded = ["ldae", *[each for each in ("ldae-volume", "dae") if each in passes.encode]]
    encoders = len(coded) + 2  # the untrained one and principal components
    yield Stage(
        name="embeddings",
        work=f"{size.scans:,} scans x {encoders}",
        jobs=encoders,
        resources=resources_of("embeddings", settings),
        flops=size.scans * (passes.encode["ldae"] + sum(passes.encode[each] for each in coded)),
        disk=encoders * size.scans * FLOAT_BYTES * settings.ldae.semantic_encoder.embedding_dim,
    )
    steps = inversion_steps(settings)
    walks = {"ldae": passes.ldae_step, "lddim": passes.ldm_step, "dae": passes.dae_step}
    latents = {"dae": FLOAT_BYTES * prod(settings.preprocessing.grid.shape)}
    before = passes.compress + passes.encode["ldae"]
    yield Stage(
        name="inversions",
        work=f"{size.test:,} scans x {len(steps)}",
        jobs=len(steps),
        resources=resources_of("inversions", settings),
        flops=size.test * sum(T * walks[model] + before for model, T in steps),
        disk=size.test * sum(latents.get(model, latent_bytes(settings)) for model, _ in steps),
    )


def _reconstruction(settings: config.Config, size: CohortSize, passes: Passes) -> Stage:
    """From z_T and from noise, for each number of steps; then the controls and the baselines."""
    wanted, step, decode = settings.reconstruction, passes.ldae_step, passes.decode
    scored = sorted(set(wanted.steps))
    per_scan = sum(
        2 * (T * step + decode) + passes.compress + passes.encode["ldae"] for T in scored
    )
    per_scan += wanted.control_steps * (6 * step + 2 * passes.ldm_step) + 8 * decode
    if "lddim" in settings.baselines:
        per_scan += scored[-1] * passes.ldm_step + decode
    if "dae" in settings.baselines:
        per_scan += wanted.dae_steps * passes.dae_step + passes.encode["dae"]
    baselines = len({"lddim", "dae"} & {*settings.baselines})
    return Stage(
        name="reconstruction",
        work=f"{size.test:,} scans x {len(scored) + 1 + baselines}",
        jobs=len(scored) + baselines + 3,
        resources=resources_of("reconstruction", settings),
        flops=size.test * per_scan,
    )


def _representation(settings: config.Config, size: CohortSize, passes: Passes) -> Stage:
    """Losses with the right code, a wrong one and none, at several times."""
    models = sum(each in passes.encode for each in ("ldae", "ldae-volume"))
    sampled = 2 * settings.reconstruction.control_steps * (models - 1)  # of ldae-volume
    losses = TIMES * (models * (2 * passes.ldae_step + passes.ldm_step) + 2 * passes.dae_step)
    return Stage(
        name="representation",
        work=f"{size.test:,} scans",
        jobs=1,
        resources=resources_of("representation", settings),
        flops=size.test * (losses + sampled * passes.ldae_step + models * passes.compress),
    )


def _samples(settings: config.Config, passes: Passes) -> Iterator[Stage]:
    samples, steps = settings.generation.samples, settings.generation.steps
    both = steps * (passes.ldae_step + passes.ldm_step) + 4 * passes.decode + passes.compress
    yield Stage(
        name="generation",
        work=f"{samples:,} samples x 2",
        jobs=3,
        resources=resources_of("generation", settings),
        flops=samples * both,
    )
    timed, scored = settings.throughput, sorted(set(settings.reconstruction.steps))
    whole = [T for T in scored if timed.measured_steps >= T] or scored[:1]
    walked = 2 * (timed.repeats * sum(whole) + 1) * (passes.ldae_step + passes.dae_step)
    around = (timed.repeats * len(whole) + 1) * (passes.compress + passes.decode)
    yield Stage(
        name="throughput",
        work=f"{timed.batch_size} scans x {timed.repeats * len(whole)}",
        jobs=1,
        resources=resources_of("throughput", settings),
        flops=timed.batch_size * (walked + around),
    )


def _edits(settings: config.Config, size: CohortSize, passes: Passes) -> Iterator[Stage]:
    step, encode, decode = passes.ldae_step, passes.encode["ldae"], passes.decode
    interpolation, manipulation = settings.interpolation, settings.manipulation
    variation = settings.variation
    triplets = min(size.triplets, interpolation.max_triplets or size.triplets)
    moved, varied = (
        min(size.test_subjects, each.max_subjects or size.test_subjects)
        for each in (manipulation, variation)
    )
    directions, strengths = 4, len({*manipulation.strengths} - {0.0})
    edited = (1 + directions * strengths) * (manipulation.steps * step + decode + encode)
    between = interpolation.steps * step + 3 * (passes.compress + decode)
    redrawn = variation.samples * (variation.steps * step + decode + encode)
    for name, work, flops in (
        ("interpolation", f"{triplets:,} triplets", triplets * between),
        ("manipulation", f"{moved:,} subjects", moved * edited),
        ("variation", f"{varied:,} subjects", varied * redrawn),
    ):
        yield Stage(
            name=name,
            work=work,
            jobs=1,
            resources=resources_of(name, settings),
            flops=flops,
        )


def _explorer(settings: config.Config, size: CohortSize, passes: Passes) -> Stage:
    """Every session of some subjects again, two directions, a time line and samples of each."""
    shown = min(size.test_subjects, settings.explorer.max_subjects)
    visits = size.test / max(1, size.test_subjects)
    strengths = len({*settings.manipulation.strengths} - {0.0})
    times = len({*settings.interpolation.fractions, 0.0, 0.5, 1.0})
    made = [
        (settings.manipulation.steps, visits + 2 * strengths),
        (settings.interpolation.steps, times),
        (settings.variation.steps, settings.variation.samples),
    ]
    around = passes.decode + passes.encode["ldae"]
    return Stage(
        name="explorer",
        work=f"{shown:,} subjects",
        jobs=1,
        resources=resources_of("explorer", settings),
        flops=shown * sum(count * (T * passes.ldae_step + around) for T, count in made),
        disk=1e6 * settings.explorer.max_mb,
    )


def inversion_steps(settings: config.Config) -> list[tuple[str, int]]:
    """The models inverted, each with its numbers of DDIM steps."""
    edits = {settings.interpolation.steps, settings.manipulation.steps}
    steps = {
        "ldae": sorted({*settings.reconstruction.steps, *edits}),
        "lddim": [max(settings.reconstruction.steps)],
        "dae": [settings.reconstruction.dae_steps],
    }
    chosen = [model for model in steps if model in ("ldae", *settings.baselines)]
    return [(model, T) for model in chosen for T in steps[model]]


def latent_bytes(settings: config.Config) -> int:
    """Of one latent."""
    network = settings.autoencoder.network
    factor = 2 ** (len(network.channels) - 1)
    cells: int = prod(size // factor for size in settings.preprocessing.grid.shape)
    return FLOAT_BYTES * network.latent_channels * cells
