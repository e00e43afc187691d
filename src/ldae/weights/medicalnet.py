"""MedicalNet (Chen et al. 2019): what a network trained on medical volumes sees in one."""

from pickle import UnpicklingError

import torch
from monai.networks.nets import ResNetFeatures
from torch import Tensor, nn

from ldae.errors import UserError
from ldae.runtime import note_read
from ldae.weights.folder import load_state
from ldae.weights.public import MEDICALNET_RESNET10, public_path

PREFIX = "module."  # of its training on several devices


class MedicalNet(nn.Module):
    """ResNet-10 without its head."""

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNetFeatures("resnet10", pretrained=False)

    def forward(self, x: Tensor) -> Tensor:
        """Means over space of the last stage's activations, (B, 512), of volumes (B, 1, X, Y, Z).

        Each volume is centred and scaled by itself, as in its training.
        """
        deviation, mean = torch.std_mean(x, dim=(1, 2, 3, 4), keepdim=True)
        last: Tensor = self.network((x - mean) / deviation.clamp_min(1e-6))[-1]
        return last.mean(dim=(2, 3, 4))


def load_medicalnet(pretrained: str | None) -> MedicalNet | None:
    """The network, frozen; None when the folder `pretrained` does not hold its weights.

    Raises:
        UserError: the file is there and is not MedicalNet's ResNet-10.
    """
    path = public_path(pretrained, MEDICALNET_RESNET10)
    if path is None:
        return None
    note_read(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        state = {name.removeprefix(PREFIX): tensor for name, tensor in stored.items()}
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise UserError(f"{path}: cannot be read as weights ({error}); fetch it again") from None
    features = MedicalNet()
    load_state(features.network, state, source=str(path))
    return features.requires_grad_(False).eval()
