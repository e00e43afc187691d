"""How fast training volumes are read: unpacked once and mapped, against resampled at every use.

Copies of one head are read in both ways by the same thread in one process. At every use: gunzip,
resample to 1.5 mm, crop or pad to 128 x 160 x 128, scale to [0, 1] (MONAI transforms, as the
original's data module does). Ours: batches over a `VolumeSet` of preprocessed copies, once with an
empty cache and then again.

    python benchmarks/loading.py head_T1w.nii.gz [--copies 24] [--passes 3] [--folder /tmp]
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from monai.transforms import (
    Compose,
    EnsureChannelFirst,
    LoadImage,
    ResizeWithPadOrCrop,
    ScaleIntensity,
    Spacing,
)

from ldae.data.cache import VolumeCache
from ldae.data.examples import VolumeExamples
from ldae.data.volumes import VolumeSet
from ldae.runtime import sha256
from ldae.training.batches import Batches

SHAPE = (128, 160, 128)
SPACING_MM = 1.5
BATCH = 4
AT_EVERY_USE = Compose(
    [
        LoadImage(image_only=True),
        EnsureChannelFirst(),
        Spacing(pixdim=(SPACING_MM,) * 3, mode="bilinear"),
        ResizeWithPadOrCrop(SHAPE, mode="minimum"),
        ScaleIntensity(),
    ]
)


class Taken(NamedTuple):
    """Milliseconds per volume: of the clock, and of the processor."""

    wall: float
    cpu: float


def measure(work: Callable[[], int]) -> Taken:
    """Time `work`, which says how many volumes it has read."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = work()
    taken = (time.perf_counter() - wall, time.process_time() - cpu)
    return Taken(*(1000 * seconds / count for seconds in taken))


def preprocessed_copies(head: Path, folder: Path, number: int) -> pd.DataFrame:
    """Rows of a table of scans: `number` volumes that differ in noise below the first decimals."""
    volume = np.asarray(AT_EVERY_USE(head))[0].astype(np.float32)
    volume[volume < 0.05] = 0  # as without skull and air
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1])
    rows = []
    for index in range(number):
        copy = volume * np.float32(1 - 0.001 * index)
        path = folder / f"{index}.nii.gz"
        nib.save(nib.Nifti1Image(copy, affine), path)
        rows.append({"volume": path.name, "volume_sha256": sha256(path)})
    return pd.DataFrame(rows)


def compare(head: Path, *, copies: int, passes: int, folder: Path) -> None:
    """Print milliseconds per volume and samples per second of both ways."""
    raw = [Path(shutil.copy(head, folder / f"raw{index}.nii.gz")) for index in range(copies)]
    rows = preprocessed_copies(head, folder, copies)
    cache = VolumeCache(folder / "cache", keep=rows["volume_sha256"])
    volumes = VolumeSet(rows, folder, cache=cache)
    names = [str(name) for name in rows["volume"]]
    batches = Batches(VolumeExamples(volumes, names, (3, 16, 20, 16)), BATCH, 1, seed=0)

    def original() -> int:
        for start in range(0, copies, BATCH):
            torch.stack([torch.as_tensor(AT_EVERY_USE(path)) for path in raw[start:][:BATCH]])
        return copies

    def ours(epochs: range) -> int:
        steps = range(epochs.start * copies // BATCH, epochs.stop * copies // BATCH)
        return sum(len(batch.names) for step in steps for batch in batches.step(step))

    AT_EVERY_USE(raw[0])  # imports and first use
    theirs = measure(original)
    first, later = measure(lambda: ours(range(1))), measure(lambda: ours(range(1, passes)))
    again = measure(original)
    table = {
        "resampled at every use": theirs,
        "the same, once more": again,
        "ours, first epoch": first,
        "ours, later epochs": later,
    }
    sys.stdout.write(f"{'':24}{'wall ms':>10}{'CPU ms':>10}{'per s':>10}\n")
    for name, taken in table.items():
        sys.stdout.write(f"{name:24}{taken.wall:10.1f}{taken.cpu:10.1f}{1000 / taken.wall:10.1f}\n")
    slow = Taken(*(min(pair) for pair in zip(theirs, again, strict=True)))
    sys.stdout.write(
        f"later epochs: {slow.wall / later.wall:.0f} times as many per second, "
        f"{slow.cpu / later.cpu:.0f} times by processor time\n"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("head", type=Path)
    parser.add_argument("--copies", type=int, default=24, help="a multiple of 4")
    parser.add_argument("--passes", type=int, default=3, help="epochs of ours")
    parser.add_argument("--folder", type=Path, help="where to put the copies; they are removed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ldae-", dir=arguments.folder) as folder:
        compare(
            arguments.head,
            copies=arguments.copies,
            passes=arguments.passes,
            folder=Path(folder),
        )


if __name__ == "__main__":
    main()
