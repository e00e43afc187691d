"""Sample brains: from noise alone, or as variations of scans with one semantic code each."""

import logging
from pathlib import Path

from ldae.pretrained.desk import open_desk, short
from ldae.pretrained.options import HERE, ModelsFolder, OutputFolder


def sample(
    scans: list[Path] | None = None,
    *,
    models: ModelsFolder,
    output: OutputFolder = HERE,
    count: int = 4,
    steps: int = 50,
    seed: int = 0,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Write samples (`sample-1.nii.gz` …) from noise by the diffusion model alone, of nobody.

    Given scans, it writes variations of each instead (`{scan}_sample-1.nii.gz` …): the scan's
    y_sem with random z_T, the same for all scans. Beside the volumes: a picture (PNG), and JSON.

    Args:
        scans: preprocessed volumes (NIfTI), as `ldae preprocess` writes them; none: from noise.
        models: the folder of a run's models, `results/demo/models` say.
        output: the folder to write to; the current one if not given.
        count: samples, of each scan.
        steps: DDIM steps.
        seed: draws z_T; the first samples do not depend on `count`.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write what the JSON files hold to standard output, too, a line per scan.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    made_with = {"count": count, "steps": steps, "seed": seed}
    if not scans:
        volumes = desk.model.sample(count=count, steps=steps, seed=seed)
        named = {f"sample-{number}": each for number, each in enumerate(volumes, start=1)}
        files = [*desk.keep(named, like=None), desk.draw("samples", "Samples from noise", named)]
        desk.give("samples", made_with | {"files": files})
        logging.info("%d samples, in %s", count, output)
        return
    for scan in desk.scans(scans):
        volumes = desk.model.vary(scan, samples=count, steps=steps, seed=seed)
        named = {f"{scan.name}_sample-{i}": each for i, each in enumerate(volumes, start=1)}
        files = desk.keep(named, like=scan)
        columns = {f"sample {i}": each for i, each in enumerate(volumes, start=1)}
        name = f"{scan.name}_samples"
        title = f"{short(scan)}: one y_sem, {count} z_T"
        files.append(desk.draw(name, title, {"scan": scan.volume} | columns, against="scan"))
        desk.give(name, desk.about(scan) | made_with | {"files": files})
        logging.info("%d samples of %s, in %s", count, scan.name, output)
