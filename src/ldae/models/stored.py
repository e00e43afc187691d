"""What a model folder must hold for a model to be rebuilt, and refusals when it does not."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import TypeAdapter
from torch import nn

from ldae import config
from ldae.errors import UserError
from ldae.settings import fingerprint
from ldae.weights.folder import load_model_config

# The folders whose weights take part in inverting a scan, by the model that inverts.
INVERTED_WITH = {
    "ldae": ("autoencoder", "ldm", "ldae"),
    "lddim": ("autoencoder", "ldm"),
    "dae": ("dae",),
}

M = TypeVar("M", bound=nn.Module)


def frozen(module: M, device: torch.device) -> M:
    """`module` on `device`, in evaluation mode, its weights fixed."""
    return module.eval().requires_grad_(False).to(device)


def stored_key(stored: dict[str, Any], key: str, folder: Path) -> Any:
    """`key` of the `config.json` of `folder`; a readable refusal when an older version wrote it."""
    if key not in stored:
        raise UserError(f"{folder / 'config.json'}: no {key!r}; train the model again")
    return stored[key]


def stored_encoder(stored: dict[str, Any], folder: Path) -> config.Encoder:
    """The form of the semantic encoder; one without a kind goes by slices, as all once did."""
    form = {"kind": "slices"} | stored_key(stored, "network", folder)
    encoder: config.Encoder = TypeAdapter(config.Encoder).validate_python(form)
    return encoder


def require_kind(stored: dict[str, Any], name: str, folder: Path) -> None:
    """Refuse a folder that holds another model than `name`."""
    found = stored_key(stored, "model", folder)
    if found != name:
        raise UserError(f"{folder} holds the model {found!r}, not {name!r}; name the right folder")


def require_match(expected: str, found: str, folder: Path, beside: Path) -> None:
    """Refuse a model of `folder` that was trained over other weights than those `beside` it."""
    if expected != found:
        raise UserError(
            f"{folder} was trained over another model than {beside} holds (weights "
            f"{expected[:12]}, not {found[:12]}); train it again, or restore the matching folder"
        )


def inverted_by(models: Path, name: str, *, clip: float | None) -> str:
    """What the z_T of scans depend on besides the scan: a fingerprint of weights and clamp.

    `name` is ldae, lddim or dae; `models` holds the folders of `INVERTED_WITH`.
    """
    folders = [models / part for part in INVERTED_WITH[name]]
    weights = [
        stored_key(load_model_config(folder), "weights_sha256", folder) for folder in folders
    ]
    return fingerprint(name, weights, clip)


def stored_shape(values: list[int]) -> tuple[int, int, int]:
    """Three sizes, as JSON gave them."""
    x, y, z = values
    return x, y, z
