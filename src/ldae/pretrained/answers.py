"""The run's linear probes of the LDAE's code, `probes.json` in the folder of its models."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ldae.errors import UserError
from ldae.metrics.probe import LinearProbe
from ldae.metrics.tasks import AD_VS_CN, AGE
from ldae.runtime import sha256

PROBES = "probes.json"
ENCODER = "ldae"
TASKS = (AD_VS_CN, AGE)


@dataclass(frozen=True)
class Answers:
    """The probes by the name of their task; none where there is no file."""

    probes: dict[str, LinearProbe]
    source: Path

    def probe(self, task: str) -> LinearProbe:
        """The probe of a task.

        Raises:
            UserError: there is no such task, or the run fitted no probe of it.
        """
        if task not in self.probes:
            known = ", ".join(self.probes) or "none"
            raise UserError(
                f"{self.source}: no probe called {task!r} (known: {known}); the workflow fits "
                "`ad_vs_cn` and `age` where there are enough training subjects (rule "
                "evaluate_probes)"
            )
        return self.probes[task]

    def predict(self, code: NDArray[Any]) -> dict[str, float]:
        """Probability of AD and age in years of a code (E,)."""
        if not self.probes:
            self.probe(AD_VS_CN.name)
        codes = code[None]
        return {
            task.name: float(task.predict(self.probes[task.name], codes)[0])
            for task in TASKS
            if task.name in self.probes
        }


def read_answers(models: Path, *, expected: str | None) -> Answers:
    """The probes in a folder of models.

    Args:
        models: the folder.
        expected: SHA-256 that the file should have; None: nobody says.

    Raises:
        UserError: the file is damaged, or another than expected.
    """
    path = models / PROBES
    if not path.is_file():
        return Answers({}, path)
    if expected is not None and sha256(path) != expected:
        raise UserError(
            f"{path}: not the one that belongs to these models by their contract; restore it, or "
            "make both again (the workflow's rules evaluate_probes and write_contract)"
        )
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))[ENCODER]
        probes = {
            task.name: LinearProbe.from_json(fitted[task.name])
            for task in TASKS
            if task.name in fitted
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: holds no probes of {ENCODER} ({error!r}); make it again (the workflow's rule "
            "evaluate_probes)"
        ) from None
    return Answers(probes, path)
