"""Which figures of a scan are beyond the study's thresholds, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ldae.config import Quality


@dataclass(frozen=True)
class Figure:
    """One figure of quality: how it is called and written, and what is wrong beyond a bound."""

    name: str
    label: str
    unit: str
    decimals: int
    below: str = ""
    above: str = ""

    def write(self, value: float) -> str:
        """The value with its unit."""
        return f"{value:.{self.decimals}f}{self.unit}"


FIGURES = (
    Figure("brain_ml", "brain volume", " ml", 0, "brain smaller than", "brain larger than"),
    Figure(
        "border_cm2",
        "brain at the image's edge",
        " cm²",
        0,
        above="brain cut by the image's edge in more than",
    ),
    Figure("snr", "signal-to-noise ratio", "", 1, "signal-to-noise ratio below"),
    Figure("cjv", "joint variation of grey and white matter", "", 2, above="joint variation above"),
    Figure("template_dice", "overlap with the template", "", 3, "overlap with the template below"),
    Figure(
        "template_correlation",
        "correlation with the template",
        "",
        3,
        "correlation with the template below",
    ),
    Figure("symmetry", "left-right symmetry", "", 3, "left-right symmetry below"),
)


def limits(figure: Figure, quality: Quality) -> tuple[float | None, float | None]:
    """The lowest and highest value allowed, None where there is no bound."""
    lowest, highest = (getattr(quality, f"{end}_{figure.name}", None) for end in ("min", "max"))
    return lowest, highest


def faults(figures: Mapping[str, Any], quality: Quality) -> Iterator[tuple[str, str]]:
    """What is wrong with a scan: the general reason and what was found; nothing for a good one.

    A figure that could not be measured is beyond every bound.
    """
    for figure in FIGURES:
        value = figures[figure.name]
        number = float("nan") if value is None else float(value)
        lowest, highest = limits(figure, quality)
        if lowest is not None and not number >= lowest:
            yield f"{figure.below} {lowest:g}{figure.unit}", figure.write(number)
        elif highest is not None and not number <= highest:
            yield f"{figure.above} {highest:g}{figure.unit}", figure.write(number)
