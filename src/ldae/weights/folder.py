"""A model on disk: `weights.safetensors` beside a `config.json` saying how to build it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ldae.errors import UserError
from ldae.origin import made_with
from ldae.runtime import atomic_path, note_read, noted_so_far, sha256, write_json

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def save_model(
    folder: Path, *, module_state: Mapping[str, Tensor], config: Mapping[str, Any]
) -> None:
    """Write `module_state` and `config` (network keywords, settings, ...), each file atomically.

    The configuration goes last and holds the weights' hash: a folder half replaced is noticed. It
    says too what made the weights, of what; the weights' own bytes do not (see `ldae.provenance`).
    """
    weights = folder / WEIGHTS
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module_state.items()}
    with atomic_path(weights) as temporary:
        save_file(tensors, temporary)
    write_json(
        folder / CONFIG,
        {
            **config,
            "weights_sha256": sha256(weights),
            "made_with": made_with(),
            **noted_so_far(folder),
        },
    )


def load_model_config(folder: Path) -> dict[str, Any]:
    """The configuration a model was saved with, plus `weights_sha256` and `made_with`."""
    path = folder / CONFIG
    note_read(folder / WEIGHTS)  # they stand for the folder: nothing depends on the rest of it
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: no {CONFIG}; is this the folder of a trained model?") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); make this model again") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object; make this model again")
    return config


def load_weights(folder: Path, module: nn.Module) -> None:
    """Load a model folder's weights into `module`: every key, and no other.

    A folder that holds several networks is loaded into an `nn.ModuleDict` of them.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit `module`.
    """
    load_state(module, _stored_state(folder), source=str(folder / WEIGHTS))


def load_part(folder: Path, module: nn.Module, *, name: str) -> None:
    """Load into `module` what a folder that holds several networks has of the one called `name`.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit `module`.
    """
    prefix = f"{name}."
    state = {
        key.removeprefix(prefix): tensor
        for key, tensor in _stored_state(folder).items()
        if key.startswith(prefix)
    }
    load_state(module, state, source=f"{folder / WEIGHTS}: {name}")


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Load `state`, read from `source`, into `module`.

    Raises:
        UserError: a key is missing, unexpected or of another shape; nothing is loaded then.
    """
    require_fit(module.state_dict(), state, source=source)
    module.load_state_dict(dict(state))


def require_fit(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], *, source: str
) -> None:
    """Refuse a `state` whose keys and shapes are not exactly those of `expected`.

    Raises:
        UserError: naming `source` and the keys missing, unexpected or of another shape.
    """
    faults = {
        "missing": sorted(expected.keys() - state.keys()),
        "unexpected": sorted(state.keys() - expected.keys()),
        "of another shape": sorted(
            name
            for name in expected.keys() & state.keys()
            if expected[name].shape != state[name].shape
        ),
    }
    if any(faults.values()):
        listed = "; ".join(f"{kind}: {_some(names)}" for kind, names in faults.items() if names)
        raise UserError(f"{source}: does not fit the network it is loaded into ({listed})")


def _stored_state(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    expected = load_model_config(folder).get("weights_sha256")
    try:
        state = load_file(path)
    except FileNotFoundError:
        raise UserError(f"{folder}: no {WEIGHTS}; is this the folder of a trained model?") from None
    except SafetensorError as error:
        raise UserError(f"{path}: damaged ({error}); make this model again") from None
    if sha256(path) != expected:
        raise UserError(f"{path}: not the weights its {CONFIG} describes; make this model again")
    return state


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
