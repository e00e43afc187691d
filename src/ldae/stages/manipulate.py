"""Move scans along a direction of the semantic code: towards AD, or towards old age."""

import logging
from pathlib import Path
from typing import Literal

from ldae.errors import UserError
from ldae.pretrained.desk import open_desk, short
from ldae.pretrained.options import HERE, ModelsFolder, OutputFolder

STRENGTHS = (-0.1, -0.05, 0.0, 0.05, 0.1)
WORDS = {"ad_vs_cn": "towards CN (-) and AD (+)", "age": "towards youth (-) and old age (+)"}


def manipulate(
    scans: list[Path],
    *,
    models: ModelsFolder,
    output: OutputFolder = HERE,
    toward: Literal["ad_vs_cn", "age"] = "ad_vs_cn",
    strengths: tuple[float, ...] = STRENGTHS,
    steps: int = 50,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Write each scan moved by every strength (`{scan}_toward-{direction}_{strength}.nii.gz`).

    The code is moved along the direction of the run's probe and z_T kept. Beside the volumes: a
    comparison (PNG), and what the probes read from each image encoded again (JSON).

    Args:
        scans: preprocessed volumes (NIfTI), as `ldae preprocess` writes them.
        models: the folder of a run's models, `results/demo/models` say.
        output: the folder to write to; the current one if not given.
        toward: `ad_vs_cn`: positive strengths towards AD; `age`: towards old age.
        strengths: how far, times sqrt(embedding_dim) standard deviations of the training codes;
            -0.1 -0.05 0 0.05 0.1 if not given.
        steps: DDIM steps each way.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write what the JSON files hold to standard output, too, a line per scan.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    if len({*strengths}) < len(strengths) or not strengths:
        raise UserError(f"--strengths {list(strengths)}: give different numbers, one at least")
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    for scan in desk.scans(scans):
        volumes = desk.model.manipulate(scan, toward=toward, strengths=strengths, steps=steps)
        made = {
            f"{each:+g}" if each else "0": volume
            for each, volume in zip(strengths, volumes, strict=True)
        }
        name = f"{scan.name}_toward-{toward}"
        files = desk.keep({f"{name}_{each}": volume for each, volume in made.items()}, like=scan)
        read = [
            {"strength": strength, "file": file, **desk.model.predict(volume)}
            for strength, file, volume in zip(strengths, files, volumes, strict=True)
        ]
        least = list(made)[strengths.index(min(strengths, key=abs))]
        title, columns = f"{short(scan)}: {WORDS[toward]}", {"scan": scan.volume} | made
        against, without = (least, ["scan"]) if len(made) > 1 else ("scan", [])
        files.append(desk.draw(name, title, columns, against=against, without=without))
        about = {"toward": toward, "steps": steps, "moved": read, "files": files}
        desk.give(name, desk.about(scan) | about)
        said = ", ".join(f"{each[toward]:.2f}" for each in read)
        logging.info("%s read again: %s; in %s", toward, said, output / f"{name}.png")
