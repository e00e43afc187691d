"""Where a training runs: one device of the kind at hand, in the precision asked for."""

import torch
from lightning.fabric import Fabric

from ldae.config import Training


def build_fabric(settings: Training) -> Fabric:
    """Fabric on the first visible GPU, else the CPU. On a GPU float32 products may use TF32."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.set_float32_matmul_precision("high")
    return Fabric(accelerator="cuda" if cuda else "cpu", devices=1, precision=settings.precision)
