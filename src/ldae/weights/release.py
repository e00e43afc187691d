"""The files of the original release: state dicts of single networks, checkpoints of trainings."""

import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.nets.semantic_encoder import slice_positions
from ldae.weights.original import Network, State

# The files its authors hand out; each is the bare state dict of one network.
FILES: dict[Network, str] = {
    "autoencoder": "autoencoderkl.pth",
    "shifted_noise_predictor": "decoder.pth",
    "semantic_encoder": "encoder.pth",
}
# A weight that tells a bare state dict; the plain U-Net's is in the shifted one too: last.
_MARKS: dict[str, Network] = {
    "quant_conv_mu.conv.weight": "autoencoder",
    "soft_attention.linear.weight": "semantic_encoder",
    "shift_out.2.weight": "shifted_noise_predictor",
    "time_embed.0.weight": "noise_predictor",
}
# What a checkpoint of one of its trainings calls them; beside each trained one is its average.
_PARTS: dict[str, Network] = {
    "vae": "autoencoder",
    "unet": "noise_predictor",
    "decoder": "shifted_noise_predictor",
    "encoder": "semantic_encoder",
}
_AVERAGE = "ema_"

# The encoder's state dict lists its backbone under two names, and a fixed table of positions.
_BACKBONE, _AGAIN = "backbone.", "slice_distributed.module."
_POSITIONS = "positional_encoding.pe"  # (1, slices, E)

# What torch raises of files cut short or altered.
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, UnpicklingError, zipfile.BadZipFile, struct.error),
)


def read_networks(path: Path) -> dict[Network, State]:
    """The networks a file of the original's holds, under its names; of a training the averages.

    Weights stay in the file until they are used, so that a checkpoint need not fit into memory.

    Raises:
        UserError: it cannot be read, holds anything but finite weights, or another network's.
    """
    networks = sort_networks(_read(path), source=str(path))
    if "semantic_encoder" in networks:
        encoder = networks["semantic_encoder"]
        networks["semantic_encoder"] = without_copies(encoder, source=str(path))
    for state in networks.values():
        broken = [key for key, tensor in state.items() if not tensor.isfinite().all()]
        if broken:
            raise UserError(f"{path}: {len(broken)} weights not finite, {broken[0]} first")
    return networks


def write_networks(folder: Path, networks: Mapping[Network, State], *, slices: int) -> None:
    """Write networks in the original's names as its release does, for so many axial slices."""
    for network, state in networks.items():
        stored = with_copies(state, slices=slices) if network == "semantic_encoder" else state
        torch.save(stored, folder / FILES[network])


def sort_networks(state: State, *, source: str) -> dict[Network, State]:
    """The networks of a bare state dict or of a checkpoint, the averages where there are any."""
    for mark, network in _MARKS.items():
        if mark in state:
            return {network: state}
    parts: dict[str, State] = {}
    for key, tensor in state.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensor
    unknown = [part for part in parts if part.removeprefix(_AVERAGE) not in _PARTS]
    if unknown or not parts:
        raise UserError(
            f"{source}: not weights of the original's networks: it holds "
            + (", ".join(unknown[:5]) or "nothing")
        )
    for part, own in parts.items():
        trained = part.removeprefix(_AVERAGE)
        if parts.get(trained, {}).keys() != own.keys():
            raise UserError(f"{source}: {part} and {trained} list other weights; is it whole?")
    return {
        network: parts.get(_AVERAGE + part, parts[part])
        for part, network in _PARTS.items()
        if part in parts
    }


def without_copies(state: State, *, source: str) -> State:
    """An encoder without its backbone's second names and the table of positions.

    Raises:
        UserError: the two names hold different weights, or the table is another than ours.
    """
    own = dict(state)
    twins = {key: key.replace(_AGAIN, _BACKBONE, 1) for key in state if key.startswith(_AGAIN)}
    for key, twin in twins.items():
        if twin in state and not torch.equal(own.pop(key), state[twin]):
            raise UserError(f"{source}: {key} differs from {twin}, its other name")
    if not _is_table(own.pop(_POSITIONS, None)):
        raise UserError(f"{source}: {_POSITIONS} is not the table of sines our network computes")
    return own


def with_copies(state: State, *, slices: int) -> State:
    """The inverse of `without_copies`, for volumes of so many axial slices."""
    twins = {
        key.replace(_BACKBONE, _AGAIN, 1): tensor
        for key, tensor in state.items()
        if key.startswith(_BACKBONE)
    }
    dim = state["layer_norm_after_attention.weight"].numel()
    positions = slice_positions(slices, dim, torch.device("cpu"))[None]
    return {**state, **twins, _POSITIONS: positions}


def _is_table(positions: Tensor | None) -> bool:
    if positions is None:
        return True
    if positions.ndim != 3:
        return False
    expected = slice_positions(positions.shape[1], positions.shape[2], positions.device)[None]
    return expected.shape == positions.shape and torch.allclose(
        positions, expected, rtol=0, atol=1e-4
    )


def _read(path: Path) -> State:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except _UNREADABLE as error:
        beside = re.search(r"nsupported (?:global: )?GLOBAL (\S+)", str(error))
        if beside:
            raise UserError(
                f"{path}: holds {beside[1]} beside weights and, for safety, is not opened; where "
                "it was made, save its 'state_dict' alone and import that"
            ) from None
        reason = str(error).split("\n", 1)[0][:100]
        raise UserError(f"{path}: cannot be read as weights ({reason}); fetch it again") from None
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(_is_weight(*item) for item in state.items()):
        raise UserError(f"{path}: not a state dict, which maps names to weights")
    return dict(state)


def _is_weight(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()
