"""LPIPS over SqueezeNet (Zhang et al. 2018), from a file on this machine.

Its linear heads come with the package `lpips`, its trunk is torchvision's ImageNet SqueezeNet 1.1.
"""

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import torch
from lpips import LPIPS
from torch import Tensor

from ldae.errors import UserError
from ldae.runtime import note_read
from ldae.weights.public import SQUEEZENET, public_path


def load_lpips(pretrained: str | Path | None) -> LPIPS | None:
    """The distance of images (B, 1 or 3, H, W), frozen; None without the trunk's weights.

    Args:
        pretrained: folder that may hold torchvision's file.

    Raises:
        UserError: the file is there and is not SqueezeNet 1.1.
    """
    path = public_path(pretrained, SQUEEZENET)
    if path is None:
        return None
    note_read(path)
    network = LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        trunk = {
            name: stored["features." + name.split(".", 1)[1]] for name in network.net.state_dict()
        }
        network.net.load_state_dict(trunk)
    except (OSError, EOFError, KeyError, RuntimeError, UnpicklingError) as error:
        raise UserError(
            f"{path}: not torchvision's SqueezeNet 1.1 ({error}); fetch it again"
        ) from None
    return network.requires_grad_(False).eval()


def load_perceptual(
    pretrained: str | Path | None, device: torch.device
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """`load_lpips` on `device`, as scoring calls it: images (B, 3, H, W) to distances (B,)."""
    network = load_lpips(pretrained)
    if network is None:
        return None
    network = network.to(device)
    return lambda a, b: network(a, b).flatten()
