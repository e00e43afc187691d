"""What preprocessing costs: this recipe beside the original's, and two processes beside one.

    python benchmarks/preprocessing.py HEAD.nii.gz [--threads 1] [--skip-original]

The original (arXiv 2504.08635) corrects with N4 at ANTs' defaults, extracts the brain with
antspynet and registers it to the template at 1 mm with SyN. Its extraction is not timed: it gets
the mask found here for nothing. Ours is timed whole, from reading to the last file written.
CPU seconds are those of the process and all its threads. Overlap is Dice's of the brain mask,
carried to the template by the transform, with the template's own mask, at 1 mm.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldae.preprocessing.outputs import Outputs, outputs_of
from ldae.preprocessing.threads import use_threads
from ldae.stages.preprocess import PAPER

TURNS, SCANS = 3, 2  # of the comparison of one process with two, and scans per process and turn
WORKER = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from ldae.preprocessing.threads import use_threads
use_threads(1)
import preprocessing
for _ in range(int(sys.argv[3])):
    with tempfile.TemporaryDirectory() as folder:
        row, _ = preprocessing.ours(Path(sys.argv[1]), "affine", Path(folder))
    print(row["cpu"], row["wall"])
"""


@contextmanager
def timed(row: dict[str, Any]) -> Iterator[None]:
    """Add the CPU and wall seconds of the block to the row."""
    cpu, wall = time.process_time(), time.monotonic()
    yield
    row["cpu"] = time.process_time() - cpu
    row["wall"] = time.monotonic() - wall


def ours(head: Path, transform: str, folder: Path) -> tuple[dict[str, Any], Outputs]:
    """The recipe of `config/config.yaml` with the given transform."""
    from ldae.preprocessing.scan import preprocess_scan  # noqa: PLC0415  (after the thread count)
    from ldae.preprocessing.source import Source  # noqa: PLC0415

    registration = PAPER.preprocessing.registration.model_copy(update={"transform": transform})
    settings = PAPER.preprocessing.model_copy(update={"registration": registration})
    outputs = outputs_of(f"sub-{transform}", "ses-1", settings, derivatives=folder)
    row: dict[str, Any] = {"recipe": f"ours, {transform}"}
    with timed(row):
        preprocess_scan(Source(head, "", head.name), outputs, settings)
    row["dice"] = overlap(outputs.native_mask, [str(outputs.transform)])
    return row, outputs


def original(head: Path, mask: Path) -> Iterator[dict[str, Any]]:
    """The original's steps with our mask; its bias correction, then all of it."""
    import ants  # noqa: PLC0415

    template, _ = template_images()
    bias: dict[str, Any] = {"recipe": "the original's N4 alone"}
    with timed(bias):
        corrected = ants.n4_bias_field_correction(ants.image_read(str(head)))
    yield bias
    brain = corrected * ants.image_read(str(mask))
    whole: dict[str, Any] = {"recipe": "the original: N4, SyN at 1 mm"}
    with timed(whole):
        found = ants.registration(fixed=template, moving=brain, type_of_transform="SyN")
    whole["cpu"] += bias["cpu"]
    whole["wall"] += bias["wall"]
    whole["dice"] = overlap(mask, found["fwdtransforms"])
    yield whole


def overlap(mask: Path, transforms: list[str]) -> float:
    """Dice of the mask, carried to the template's 1 mm voxels, with the template's own."""
    import ants  # noqa: PLC0415

    from ldae.preprocessing.brain import dice  # noqa: PLC0415

    brain, template_mask = template_images()
    moved = ants.apply_transforms(brain, ants.image_read(str(mask)), transforms, "linear")
    return dice(moved.numpy() > 0.5, template_mask.numpy() > 0.5)


def template_images() -> tuple[Any, Any]:
    """Brain and mask of the template on voxels of 1 mm."""
    from ldae.preprocessing.images import resample  # noqa: PLC0415
    from ldae.preprocessing.linear import to_ants  # noqa: PLC0415
    from ldae.preprocessing.template import load_template  # noqa: PLC0415

    template = load_template(1.0)
    return to_ants(template.brain), to_ants(resample(template.mask, template.brain))


def throughput(head: Path) -> Iterator[dict[str, Any]]:
    """One process of one thread, and two of them at once, in turns; the least of all turns counts.

    Turns and the least, because other work on the machine comes and goes.
    """
    turns = [[per_scan(head, processes) for processes in (1, 2)] for _ in range(TURNS)]
    for index, name in enumerate(("one process, per scan", "two at once, per scan")):
        cpu, wall = (min(turn[index][kind] for turn in turns) for kind in ("cpu", "wall"))
        yield {"recipe": name, "cpu": cpu, "wall": wall}


def per_scan(head: Path, processes: int) -> dict[str, float]:
    """Seconds per scan of each of several processes that preprocess the head at once."""
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", WORKER, str(head), folder, str(SCANS)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    lines = [line.split() for each in running for line in each.communicate()[0].splitlines()]
    if len(lines) != processes * SCANS:
        sys.exit("a process failed")
    cpu, wall = (sum(float(line[kind]) for line in lines) / len(lines) for kind in (0, 1))
    return {"cpu": cpu, "wall": wall}


def show(row: dict[str, Any]) -> None:
    """One row of a Markdown table."""
    dice = f"{row['dice']:.3f}" if "dice" in row else ""
    sys.stdout.write(f"| {row['recipe']} | {row['cpu']:.1f} | {row['wall']:.1f} | {dice} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("head", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip-original", action="store_true")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    import ants  # noqa: F401, PLC0415  (so that no row pays for the import)

    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    sys.stdout.write(f"{arguments.threads} ITK thread(s); load before: {load}\n")
    sys.stdout.write("| recipe | CPU s | wall s | overlap |\n|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        quick, outputs = ours(arguments.head, "affine", Path(folder))
        show(quick)
        show(ours(arguments.head, "syn", Path(folder))[0])
        if not arguments.skip_original:
            for row in original(arguments.head, outputs.native_mask):
                show(row)
    for row in throughput(arguments.head):
        show(row)


if __name__ == "__main__":
    main()
