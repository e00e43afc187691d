"""The error of an image that does not become one whole volume."""

from ldae.imaging.plausibility import Exclusion


class ConversionError(Exception):
    """The image cannot be used; `exclusion` says why. Other images are not concerned."""

    def __init__(self, reason: str, detail: str | None = None):
        super().__init__(reason, detail)
        self.exclusion = Exclusion(reason, detail)
