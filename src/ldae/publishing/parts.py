"""Model folders as they leave a run: the same weights, without what only that run can follow."""

import shutil
from pathlib import Path
from typing import Any

from ldae.pretrained.answers import PROBES
from ldae.pretrained.contract import (
    CONTRACT,
    Contract,
    ScanContract,
    read_contract,
    write_contract,
)
from ldae.runtime import write_json
from ldae.weights.folder import CONFIG, WEIGHTS, load_model_config

FOLDERS = ("autoencoder", "ldm", "ldae")
# Hashes of tables and latents that stay where they are, and folders of the machine.
PRIVATE = ("inputs", "pretrained", "masks")


def publish_models(models: Path, output: Path) -> None:
    """Copy the folders of the latent diffusion autoencoder, and what stands beside them.

    Weights keep their bytes. Paths of the machine that trained go, and so do the run's inputs.

    Raises:
        UserError: a folder is missing, or damaged.
    """
    for name in FOLDERS:
        stored = load_model_config(models / name)
        (output / name).mkdir(parents=True)
        shutil.copyfile(models / name / WEIGHTS, output / name / WEIGHTS)
        write_json(output / name / CONFIG, _without(PRIVATE, stored))
    if (models / PROBES).is_file():
        shutil.copyfile(models / PROBES, output / PROBES)  # the contract holds its hash
    contract = read_contract(models)
    if contract is not None:
        write_contract(
            output / CONTRACT, contract.model_copy(update={"scan": _placeless(contract)})
        )


def summary(models: Path) -> dict[str, Any]:
    """What `config.json` at the top of a folder says: its parts, and their weights' hashes."""
    stored = {name: load_model_config(models / name) for name in FOLDERS}
    return {
        "model_type": "ldae",
        "parts": {name: {"weights_sha256": stored[name]["weights_sha256"]} for name in FOLDERS},
        "volume_shape": stored["autoencoder"]["volume_shape"],
        "spacing_mm": stored["autoencoder"]["spacing_mm"],
        "embedding_dim": stored["ldae"]["network"]["embedding_dim"],
        "made_with": stored["ldae"]["made_with"],
    }


def _without(names: tuple[str, ...], content: Any) -> Any:
    """Plain content without these keys, at any depth."""
    if not isinstance(content, dict):
        return content
    return {key: _without(names, value) for key, value in content.items() if key not in names}


def _placeless(contract: Contract) -> ScanContract:
    """What scans must be, without the folder that held the masks of the training scans."""
    preprocessing = contract.scan.preprocessing
    brain = preprocessing.brain.model_copy(update={"masks": None})
    made = preprocessing.model_copy(update={"brain": brain})
    return contract.scan.model_copy(update={"preprocessing": made})
