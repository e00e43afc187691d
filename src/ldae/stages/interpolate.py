"""Interpolate between two scans: what may lie between two sessions of a person."""

import logging
from pathlib import Path

from ldae.errors import UserError
from ldae.pretrained.desk import open_desk, short
from ldae.pretrained.options import HERE, ModelsFolder, OutputFolder

FRACTIONS = (0.25, 0.5, 0.75)


def interpolate(
    first: Path,
    second: Path,
    *,
    models: ModelsFolder,
    output: OutputFolder = HERE,
    fractions: tuple[float, ...] = FRACTIONS,
    steps: int = 50,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Write what lies between two scans (`{first}_to_{second}_{fraction}.nii.gz`), PNG and JSON.

    Straight between the semantic codes, along the sphere between the z_T of both.

    Args:
        first: a preprocessed volume (NIfTI), as `ldae preprocess` writes it.
        second: another one; of the same person, where it shall mean anything.
        models: the folder of a run's models, `results/demo/models` say.
        output: the folder to write to; the current one if not given.
        fractions: how far on the way from the first to the second, 0 to 1; 0.25 0.5 0.75 if not
            given.
        steps: DDIM steps each way.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write what the JSON file holds to standard output, too.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    if len({*fractions}) < len(fractions) or not fractions:
        raise UserError(f"--fractions {list(fractions)}: give different numbers, one at least")
    if not all(0 <= each <= 1 for each in fractions):
        raise UserError(f"--fractions {list(fractions)}: give numbers from 0 to 1")
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    start, end = desk.scans([first, second])
    volumes = desk.model.between(start, end, fractions=fractions, steps=steps)
    made = {f"{fraction:g}": each for fraction, each in zip(fractions, volumes, strict=True)}
    name = f"{start.name}_to_{end.name}"
    files = desk.keep({f"{name}_{each}": volume for each, volume in made.items()}, like=start)
    title = f"{short(start)} to {short(end)}"
    columns = {"first": start.volume, **made, "second": end.volume}
    files.append(desk.draw(name, title, columns, against="first"))
    desk.give(
        name,
        {
            "first": desk.about(start),
            "second": desk.about(end),
            "steps": steps,
            "between": [
                {"fraction": fraction, "file": file}
                for fraction, file in zip(fractions, files, strict=False)
            ],
            "files": files,
        },
    )
    logging.info("between %s and %s: %s", start.name, end.name, output / f"{name}.png")
