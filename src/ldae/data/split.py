"""Which side of the split a subject is on: decided by the subject alone, once for every model.

A hash of the run's seed and the participant id gives each subject a number in [0, 1), and the
fractions cut that interval. So nobody ever changes sides when subjects are added, removed or
rediagnosed, and all visits of a subject are on one side. Every diagnosis is cut at the same
fractions, hence stratified in expectation; exact strata would need ranks among the subjects at
hand, and with them a new subject would move others. The counts are logged, and a class that is
absent from the test side is warned about.
"""

import hashlib
import logging

import pandas as pd

from ldae.config import Split
from ldae.errors import UserError

log = logging.getLogger(__name__)

DIAGNOSES = ("CN", "MCI", "AD")
SIDES = ("train", "validation", "test")


def side_of(participant_id: str, split: Split, *, seed: int) -> str:
    """`train`, `validation` or `test`."""
    digest = hashlib.sha256(f"split\x1f{seed}\x1f{participant_id}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < split.test:
        return "test"
    return "validation" if position < split.test + split.validation else "train"


def assign_split(scans: pd.DataFrame, split: Split, *, seed: int) -> pd.Series:
    """The side of every scan; a subject without diagnosis is split like the others.

    Args:
        scans: `participant_id`, `months` and `diagnosis` of each scan.
        split: fractions of subjects.
        seed: the run's; another seed is another split.

    Raises:
        UserError: no subject is left to train on, or to validate on.
    """
    sides = {name: side_of(name, split, seed=seed) for name in scans["participant_id"].unique()}
    assigned = scans["participant_id"].map(sides).astype(object)
    counts = _subjects(scans, assigned)
    for side in SIDES:
        log.info("%s: %s", side, ", ".join(f"{n} {name}" for name, n in counts[side].items()))
    if not (assigned == "train").any():
        raise UserError(
            f"no subject of {len(sides)} is left to train on: lower split.validation and"
            " split.test, or bring more scans"
        )
    if not (assigned == "validation").any():
        raise UserError(
            f"none of {len(sides)} subjects is on the validation side, which decides the weights"
            " that are kept: raise split.validation, or bring more scans"
        )
    present = [name for name in DIAGNOSES if sum(counts[side][name] for side in SIDES)]
    missing = [name for name in present if not counts["test"][name]]
    if missing:
        log.warning("no test subject with diagnosis %s: raise split.test", ", ".join(missing))
    return assigned


def _subjects(scans: pd.DataFrame, assigned: pd.Series) -> dict[str, dict[str, int]]:
    """Subjects per side and diagnosis at the first visit."""
    first = scans.assign(split=assigned).sort_values("months").groupby("participant_id").first()
    return {
        side: {
            name: int(((first["split"] == side) & (first["diagnosis"] == name)).sum())
            for name in DIAGNOSES
        }
        | {"without": int(((first["split"] == side) & first["diagnosis"].isna()).sum())}
        for side in SIDES
    }
