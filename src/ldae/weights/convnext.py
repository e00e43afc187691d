"""Which of torchvision's files a slice encoder starts from; without torch, to be asked early."""

from pathlib import Path

from ldae.config import SemanticEncoder
from ldae.errors import UserError
from ldae.weights.public import CONVNEXT_SMALL, TORCHVISION

# torchvision's ConvNeXt models: (widths, depths) -> its file of IMAGENET1K_V1 weights
FILES: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {
    ((96, 192, 384, 768), (3, 3, 9, 3)): "convnext_tiny-983f1562.pth",
    ((96, 192, 384, 768), (3, 3, 27, 3)): CONVNEXT_SMALL.name,
    ((128, 256, 512, 1024), (3, 3, 27, 3)): "convnext_base-6075fbad.pth",
}


def convnext_path(encoder: SemanticEncoder, *, pretrained: str | None, section: str) -> Path:
    """Where in the folder `pretrained` the ImageNet weights of `encoder` must be.

    Raises:
        UserError: there are none for its form; `section` is what the configuration calls it.
    """
    name = FILES.get((encoder.widths, encoder.depths))
    if name is None:
        raise UserError(
            f"{section}.semantic_encoder: no ImageNet weights for a ConvNeXt of widths "
            f"{encoder.widths} and depths {encoder.depths}; set {_random(section)}"
        )
    return Path(pretrained or "").expanduser() / name


def require_convnext(encoder: SemanticEncoder, *, pretrained: str | None, section: str) -> Path:
    """`convnext_path`, where the file is there.

    Raises:
        UserError: saying where to get it, or how to do without.
    """
    path = convnext_path(encoder, pretrained=pretrained, section=section)
    if pretrained is None or not path.is_file():
        raise UserError(
            f"{path} is missing: download {TORCHVISION}{path.name} into the folder `pretrained` "
            "names (ConvNeXt-Small and others' weights: `snakemake fetch_weights`), "
            f"or set {_random(section)}"
        )
    return path


def _random(section: str) -> str:
    return f"{section}.semantic_encoder.initialise: random"
