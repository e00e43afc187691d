"""How each table and figure was made: procedure, what it counts, interval and seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ldae.config import Results
from ldae.report.definitions import CURVES, definitions

COUNTED = {
    "n_scans": "scans", "n_test": "test scans", "n_subjects": "subjects",
    "n_train": "training scans", "n_triplets": "triplets of sessions", "n_samples": "samples",
    "n": "volumes of each set", "n_units": "independent units", "repeats": "repeats",
    "n_dims": "dimensions",
}  # fmt: skip
FIGURES = {
    "figure-reconstruction": "reconstruction",
    "figure-interpolation": "interpolation",
    "figure-manipulation": "manipulation",
    "figure-variation": "variation",
    "figure-generation": "generation",
}
NONE = "none: counts, not estimates"
NO_INTERVAL = "none: an example, not an estimate; the table has the estimates"


@dataclass(frozen=True)
class Note:
    """What a reader needs to judge a table or a figure; `columns` are names with definitions."""

    computed: str
    n: str
    interval: str
    seed: str
    columns: tuple[tuple[str, str], ...] = ()


def interval_words(settings: Results) -> str:
    """How intervals are drawn, for captions."""
    return (
        f"{100 * settings.bootstrap.confidence:g} % intervals from "
        f"{settings.bootstrap.replicates:,} bootstrap replicates over test subjects, "
        f"seed {settings.seed}"
    )


def notes(frames: Mapping[str, pd.DataFrame], settings: Results) -> dict[str, Note]:
    """A note for every known table of `frames`, and for the figures drawn from them."""
    computed, seeds = _computed(settings), _seeds(settings)
    usual = (
        f"{interval_words(settings)}, as percentiles; all scans of a subject are drawn together. "
        "They hold the sampling of test subjects, not that of training"
    )
    intervals = {
        "throughput": "in brackets the slowest and the fastest repeat; no bootstrap",
        "generation": "of distances to the nearest scan as elsewhere, over samples and subjects; "
        "the Fréchet distance has none, because resampling inflates it",
    }
    told = {
        name: Note(
            computed[name],
            sizes(frame) or "see the table",
            intervals.get(name, usual),
            seeds.get(name, str(settings.seed)),
            tuple(definitions(frame.columns)),
        )
        for name, frame in frames.items()
        if name in computed
    }
    told |= _counts(settings)
    if "paper" in told:
        told["headline"] = told["paper"]
    for figure, table in FIGURES.items():
        told[figure] = Note(computed[figure], _EXAMPLES[figure], NO_INTERVAL,
                            seeds.get(table, str(settings.seed)))  # fmt: skip
    return told


def _counts(settings: Results) -> dict[str, Note]:
    seed = str(settings.seed)
    flow = Note(
        "every image found has one status: used, or lost at the first step that refuses it, which "
        "counts it under one reason",
        "all images found",
        NONE,
        "none matters",
    )
    return {
        "cohort_flow": flow,
        "figure-cohort_flow": flow,
        "demographics": Note(
            "diagnosis, age and sex at a subject’s first scan; SD with n − 1; follow-up from first "
            "to last scan",
            "subjects and scans of each row",
            NONE,
            f"{seed}, of the split",
        ),
        "quality": Note(
            "measured on each preprocessed scan; bounds from the section “quality” of the settings",
            "scans of each row",
            "none: the quartiles are those of the scans at hand",
            "none matters",
        ),
        "resources": Note(
            "Snakemake’s benchmark of each job: wall time, processor time, and resident memory, "
            "sampled; a job too short to be sampled has none",
            "jobs of each row",
            NONE,
            "none matters",
        ),
        "training": Note(
            "each line of models/*/train.jsonl; training values are of single optimiser steps, "
            "validation values of all validation scans",
            "x axis: training samples seen, repeats counted",
            "none: one training of each model",
            seed,
            tuple((name.replace("_", " "), meaning) for name, meaning in CURVES.items()),
        ),
    }


def sizes(frame: pd.DataFrame) -> str:
    """The counts in a table's columns as words: `27 scans, 12 to 18 subjects`."""
    words = []
    for column, what in COUNTED.items():
        if column in frame and (known := frame[column].dropna()).size:
            low, high = int(known.min()), int(known.max())
            words.append(f"{low:,} {what}" if low == high else f"{low:,} to {high:,} {what}")
    return ", ".join(words)


def _seeds(settings: Results) -> dict[str, str]:
    seed = settings.seed
    return {
        "reconstruction": f"{seed}; z_T of a scan depends on it and on the scan alone",
        "generation": f"{seed}; both models start from the same noise",
        "variation": f"{seed}; all subjects get the same z_T",
        "manipulation": f"{seed}, of the controls’ directions, the probes’ folds and the bootstrap",
        "throughput": "none matters",
        "downstream_by_group": f"{seed}; rows of “seed” draw the probes’ folds anew",
    }


def _computed(settings: Results) -> dict[str, str]:
    probes = (
        f"penalties chosen in {settings.probe.folds} folds by subject on training scans, "
        "the probe refitted on all of them and scored once on test scans"
    )
    samples = settings.generation.samples
    return {
        "paper": "each printed number beside that row of this run’s table which follows the "
        "paper’s definition; a printed number stands for the range that rounds to it",
        "reconstruction": "every test scan is encoded, decoded in T DDIM steps and clamped to "
        "[0, 1], then compared with itself; means over scans",
        "models": "rows of the table above, of each model those with the most steps",
        "representation": "codes and losses of all test scans; losses at the same noise and times "
        "for right and wrong codes",
        "representation_by_time": "the loss as trained, at fixed times and equal noise, with "
        "the right code, that of a scan of another subject, and none",
        "downstream": f"codes standardised by training scans; {probes}",
        "downstream_compared": "each score less that of the reference, on the same replicates of "
        "test subjects",
        "downstream_by_group": "the same probes, scored on parts of the test scans",
        "interpolation": f"y_sem on a line, z_T on a great circle, {settings.interpolation.steps} "
        "DDIM steps, at the true share of time; compared with the real session between",
        "manipulation": f"y_sem of the first scan of up to {settings.manipulation.max_subjects} "
        "test subjects moved along unit directions by strength times the root of its length, in "
        f"standard deviations; z_T kept; {settings.manipulation.steps} DDIM steps; the image "
        "encoded again and measured; means over subjects",
        "manipulation_audits": "slopes of the measures over strengths, subject by subject, beside "
        "those along two controls of equal length at right angles to both probes’ directions",
        "variation": f"{settings.variation.samples} samples per subject in "
        f"{settings.variation.steps} DDIM steps; spread within a subject, then means",
        "generation": f"{samples} samples of each model in {settings.generation.steps} DDIM steps; "
        "codes from a Gaussian fitted to training codes (covariance of Ledoit and Wolf 2004)",
        "throughput": f"after a warm-up, {settings.throughput.repeats} runs with nothing else "
        f"on the machine; times of more than {settings.throughput.measured_steps} steps are "
        "reckoned from single steps",
        "figure-reconstruction": f"{settings.reconstruction.control_steps} DDIM steps, slices "
        "through the middle of the brain; differences on their own colour scale",
        "figure-interpolation": f"{settings.interpolation.steps} DDIM steps, at fractions "
        f"{', '.join(f'{each:g}' for each in settings.interpolation.fractions)} of the time",
        "figure-manipulation": f"{settings.manipulation.steps} DDIM steps at strengths "
        f"{', '.join(f'{each:g}' for each in settings.manipulation.strengths)}; z_T kept",
        "figure-variation": f"{settings.variation.steps} DDIM steps, z_T drawn from noise",
        "figure-generation": f"{settings.generation.steps} DDIM steps; below each sample the "
        "training scan with the least root mean square difference",
    }  # fmt: skip


_EXAMPLES = {
    "figure-reconstruction": "1 scan, the first of the test side",
    "figure-interpolation": "1 test subject with three sessions",
    "figure-manipulation": "first scans of 1 CN and 1 AD test subject",
    "figure-variation": "up to 3 test subjects, 4 samples each",
    "figure-generation": "5 samples of each model",
}
