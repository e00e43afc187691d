"""Read diagnosis and age from the semantic codes of scans, by the run's linear probes."""

import sys
from pathlib import Path

from ldae.pretrained.desk import open_desk
from ldae.pretrained.options import ModelsFolder, OutputFolder


def predict(
    scans: list[Path],
    *,
    models: ModelsFolder,
    output: OutputFolder | None = None,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Say the probability of AD (against CN) and the age of each scan, as the workflow would.

    Research only: linear probes of a code, as good or bad as the run's `tables/downstream.csv`
    says. With each goes the shift score, how unlike the training scans it is (above 0.99: unlike).

    Args:
        scans: preprocessed volumes (NIfTI), as `ldae preprocess` writes them.
        models: the folder of a run's models, `results/demo/models` say.
        output: a folder for `{scan}_prediction.json`; nothing is written if not given.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write JSON to standard output, a line per scan, in place of words.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    for scan in desk.scans(scans):
        told = desk.model.predict(scan)
        about = desk.about(scan)
        desk.give(f"{scan.name}_prediction", about | {"prediction": told})
        if not json:
            sys.stdout.write(f"{scan.name}: {_in_words(told, about['shift'])}\n")


def _in_words(told: dict[str, float], shift: dict[str, float] | None) -> str:
    words = {"ad_vs_cn": "probability of AD {:.3f}", "age": "age {:.1f} years"}
    parts = [words[name].format(value) for name, value in told.items()]
    return ", ".join([*parts, *([] if shift is None else [f"shift {shift['score']:.2f}"])])
