"""Latent diffusion autoencoders for brain MRI, from a raw ADNI download to every result."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ldae.pretrained.model import Model

__version__ = version("ldae")


def load(models: str | Path, *, device: str = "cpu") -> "Model":
    """The models of a run, for single scans (`docs/python.md`).

    Args:
        models: the folder of a run's models (`results/demo/models`), or an export of it.
        device: where they shall run, as torch calls it: `cpu`, `cuda`, `cuda:1`.

    Raises:
        ldae.errors.UserError: a file is missing, damaged, or does not belong to the others; or
            there is no such device.
    """
    # `import ldae` stays fast.
    from ldae.pretrained.opening import device_called, open_models  # noqa: PLC0415

    return open_models(Path(models), device=device_called(device))
