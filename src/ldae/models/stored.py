"""What a model folder must hold for a model to be rebuilt, and refusals when it does not."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ldae.errors import UserError

M = TypeVar("M", bound=nn.Module)


def frozen(module: M, device: torch.device) -> M:
    """`module` on `device`, in evaluation mode, its weights fixed."""
    return module.eval().requires_grad_(False).to(device)


def stored_key(stored: dict[str, Any], key: str, folder: Path) -> Any:
    """`key` of the `config.json` of `folder`; a readable refusal when an older version wrote it."""
    if key not in stored:
        raise UserError(f"{folder / 'config.json'}: no {key!r}; train the model again")
    return stored[key]


def require_match(expected: str, found: str, folder: Path, beside: Path) -> None:
    """Refuse a model of `folder` that was trained over other weights than those `beside` it."""
    if expected != found:
        raise UserError(
            f"{folder} was trained over another model than {beside} holds (weights "
            f"{expected[:12]}, not {found[:12]}); train it again, or restore the matching folder"
        )


def stored_shape(values: list[int]) -> tuple[int, int, int]:
    """Three sizes, as JSON gave them."""
    x, y, z = values
    return x, y, z
