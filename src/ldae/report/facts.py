"""Counts, versions and origins that the methods text tells."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import Results
from ldae.origin import in_words, made_with
from ldae.report.cohort_flow import SPLITS
from ldae.report.methods import Facts
from ldae.settings import fingerprint


def gather_facts(
    settings: Results,
    scans: pd.DataFrame,
    frames: Mapping[str, pd.DataFrame],
    configs: Sequence[Mapping[str, Any]],
    *,
    excluded: int,
    perceptual: bool,
) -> Facts:
    """What the methods text says beside the settings.

    Args:
        settings: of the run.
        scans: those that models read.
        frames: result tables by name; `throughput` names the device.
        configs: of the models, as `model_configs` reads them.
        excluded: how many scans preprocessing lost.
        perceptual: whether the weights of the perceptual distance were at hand.
    """
    subjects = scans.groupby("split")["participant_id"].nunique()
    sides = [
        f"{subjects[side]} subjects with {(scans['split'] == side).sum()} scans in {side}"
        for side in SPLITS
        if side in subjects
    ]
    return Facts(
        subjects=scans["participant_id"].nunique(),
        test_subjects=int(subjects.get("test", 0)),
        scans=len(scans),
        excluded=excluded,
        sides=", ".join(sides),
        downsampling=2 ** (len(settings.autoencoder.network.channels) - 1),
        perceptual=perceptual,
        imported=any("imported_from" in made for made in configs),
        made_with=in_words(*made_with().values()),
        torch=version("torch"),
        monai=version("monai"),
        settings_hash=fingerprint(settings),
        device=_device(frames),
    )


def model_configs(curves: Sequence[Path]) -> list[dict[str, Any]]:
    """The `config.json` beside each training log, where there is one."""
    found = [path.with_name("config.json") for path in curves]
    return [json.loads(path.read_text(encoding="utf-8")) for path in found if path.is_file()]


def makers(configs: Sequence[Mapping[str, Any]]) -> str:
    """Package version and commit that the models' configurations name, each once."""
    made = [config.get("made_with", {}) for config in configs]
    told = [in_words(each.get("ldae"), each.get("commit")) for each in made]
    return "; ".join(dict.fromkeys(told)) or "not known: no config.json beside the training logs"


def _device(frames: Mapping[str, pd.DataFrame]) -> str:
    if "throughput" not in frames or "device" not in frames["throughput"]:
        return ""
    return ", ".join(map(str, frames["throughput"]["device"].dropna().unique()))
