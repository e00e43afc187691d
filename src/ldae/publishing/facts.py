"""What a card says of a run: settings, cohort, weights and tables, and nothing of single people."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from ldae import config
from ldae.errors import UserError
from ldae.settings import load_settings
from ldae.tables import SCANS, read_table
from ldae.weights.folder import WEIGHTS, load_model_config

RECORD = "provenance.json"
SPLITS = ("train", "validation", "test")
DIAGNOSES = ("CN", "MCI", "AD")
TABLES = ("reconstruction", "downstream", "representation", "interpolation", "generation")
NETWORKS = {  # what a reader calls them: the folder of the weights, and the names in it
    "autoencoder": ("autoencoder", ""),
    "noise predictor": ("ldm", ""),
    "gradient estimator": ("ldae", "gradient_estimator."),
    "semantic encoder": ("ldae", "semantic_encoder."),
}


class Described(config.Section):
    """The settings that a card describes."""

    seed: int
    cohort: config.Cohort
    preprocessing: config.Preprocessing
    autoencoder: config.Autoencoder
    latents: config.Latents
    diffusion: config.Diffusion
    ldm: config.Ldm
    ldae: config.Ldae
    sampling: config.Sampling
    bootstrap: config.Bootstrap
    metrics: config.Metrics


@dataclass(frozen=True)
class Side:
    """One side of the split, in numbers of people and scans."""

    name: str
    subjects: int
    scans: int
    diagnoses: dict[str, int]  # subjects by the diagnosis at their first scan
    women: float | None  # share of subjects whose sex is known
    age: tuple[float, float] | None  # mean and standard deviation at the first scan, years


@dataclass(frozen=True)
class Facts:
    """Everything a card is written from; `tables` lacks those that the run has not made."""

    run: str
    models: Path
    settings: Described
    sides: list[Side]
    tables: dict[str, pd.DataFrame]
    stored: dict[str, dict[str, Any]]  # config.json of each model folder
    parameters: dict[str, int]  # of each network

    @property
    def version(self) -> str:
        """Of ldae, which trained the model."""
        return str(self.stored["ldae"]["made_with"]["ldae"])

    @property
    def commit(self) -> str | None:
        """Of ldae's source, where it is known."""
        known: str | None = self.stored["ldae"]["made_with"]["commit"]
        return known

    @property
    def imported_from(self) -> dict[str, str]:
        """SHA-256 of the files of others that the weights came from, by name; mostly none."""
        files: dict[str, str] = self.stored["ldae"].get("imported_from", {})
        return files


def read_facts(run: Path) -> Facts:
    """The facts of a finished run, `results/demo` say.

    Raises:
        UserError: the run, its record or its models are not there, or of another version.
    """
    models = run / "models"
    stored = {name: load_model_config(models / name) for name in ("autoencoder", "ldm", "ldae")}
    scans = read_table(run / "cohort/scans.parquet", SCANS)
    tables = {name: run / "tables" / f"{name}.csv" for name in TABLES}
    return Facts(
        run=run.resolve().name,
        models=models,
        settings=_settings(run),
        sides=[_side(name, scans[scans["split"] == name]) for name in SPLITS],
        tables={name: pd.read_csv(path) for name, path in tables.items() if path.is_file()},
        stored=stored,
        parameters={
            network: _parameters(models / folder / WEIGHTS, prefix)
            for network, (folder, prefix) in NETWORKS.items()
        },
    )


def _settings(run: Path) -> Described:
    path = run / RECORD
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
        known = {name: settings[name] for name in Described.model_fields}
    except FileNotFoundError:
        raise UserError(
            f"{run}: no {RECORD}, which `snakemake` writes when the run is finished; let it finish"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the record of a run of this version ({error!r})") from None
    return load_settings(Described, json.dumps(known))


def _side(name: str, scans: pd.DataFrame) -> Side:
    first = scans.sort_values("months").groupby("participant_id").head(1)
    sex, ages = first["sex"].dropna(), first["age"].dropna()
    found = first["diagnosis"].value_counts()
    return Side(
        name=name,
        subjects=len(first),
        scans=len(scans),
        diagnoses={diagnosis: int(found.get(diagnosis, 0)) for diagnosis in DIAGNOSES},
        women=float((sex == "F").mean()) if len(sex) else None,
        age=(float(ages.mean()), float(ages.std())) if len(ages) > 1 else None,
    )


def _parameters(weights: Path, prefix: str) -> int:
    """How many numbers the tensors hold whose names begin with `prefix`."""
    with safe_open(weights, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        shapes = [file.get_slice(name).get_shape() for name in names]
    total = 0
    for shape in shapes:
        size = 1
        for axis in shape:
            size *= axis
        total += size
    return total
