"""For every key of the configuration: the jobs that run again when its value is edited, no others.

The answers are in `answers`. A key that has none fails, and so does one whose dry run says more or
less than its answer.
"""

from typing import Any

import pytest

from ldae.config import Config

from .answers import ANSWERS
from .conftest import Workflow
from .edits import Edit, configuration, edited, keys, valid_edit

pytestmark = pytest.mark.slow

VALUES = configuration("config/config.yaml", "config/demo.yaml", "tests/workflow/smoke.yaml")
KEYS = {key: (value, kind) for key, value, kind in keys(Config.model_validate(VALUES))}
CONVNEXT = "convnext_tiny-983f1562.pth"  # an empty one, in the folder "mine"
TINY = {"widths": [96, 192, 384, 768], "depths": [3, 3, 9, 3]}
BY_SLICES = ["ldae", "dae", "supervised_diagnosis", "supervised_age"]

# Where the first other value that is valid by itself does not exist, or says little.
EDITS: dict[str, Edit] = {
    "pretrained": {"pretrained": "mine"},
    "cohort.source": {"cohort.source": "adni", "cohort.download": "mine"},
    "baselines": {"baselines": ["lddim", "dae", "supervised"]},
    "reconstruction.steps": {"reconstruction.steps": [2, 3, 4]},
    "reconstruction.dae_steps": {"reconstruction.dae_steps": 3},
    "interpolation.steps": {"interpolation.steps": 3},
    "manipulation.steps": {"manipulation.steps": 3},
    "ldae_volume.semantic_encoder.kind": {
        "ldae_volume.semantic_encoder": VALUES["ldae"]["semantic_encoder"]
    },
}
for section in BY_SLICES:
    encoder = f"{section}.semantic_encoder"
    EDITS[f"{encoder}.kind"] = {encoder: VALUES["ldae_volume"]["semantic_encoder"]}
    EDITS[f"{encoder}.initialise"] = {
        "pretrained": "mine",
        encoder: VALUES[section]["semantic_encoder"] | {"initialise": "imagenet", **TINY},
    }


def beginning(key: str) -> str | None:
    """The longest beginning of `key`, in whole names, that has an answer."""
    names = key.split(".")
    shorter = (".".join(names[:count]) for count in range(len(names), 0, -1))
    return next((each for each in shorter if each in ANSWERS), None)


@pytest.fixture(scope="module")
def planned(finished: Workflow) -> dict[str, Any]:
    """What a dry run says after each edit, by key; by "" where nothing is edited."""
    mine = finished.folder / "mine"
    mine.mkdir(exist_ok=True)
    (mine / CONVNEXT).touch()
    edits = {key: EDITS.get(key) or valid_edit(VALUES, key, *KEYS[key]) for key in KEYS}
    return finished.dry_runs(
        {"": VALUES} | {key: edited(VALUES, edit) for key, edit in edits.items()}
    )


def test_without_an_edit_nothing_runs(planned: dict[str, Any]) -> None:
    assert planned[""] == {"jobs": [], "refused": None}


@pytest.mark.parametrize("key", KEYS)
def test_an_edited_key_reruns_what_is_stated(planned: dict[str, Any], key: str) -> None:
    answered = beginning(key)
    assert answered, f"say in ANSWERS which jobs run again when {key} is edited"
    answer, (jobs, refused) = ANSWERS[answered], planned[key].values()
    if isinstance(answer, str):
        assert answer in (refused or f"not refused: {jobs}")
    else:
        assert refused is None, refused
        assert set(jobs) - {"all"} == answer


def test_every_answer_is_of_a_key() -> None:
    assert set(ANSWERS) == {beginning(key) for key in KEYS}
    assert set(EDITS) <= set(KEYS)
