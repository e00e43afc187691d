"""Whether a configuration can be run."""

from ldae.config import Config
from ldae.weights.convnext import convnext_path, require_convnext
from ldae.weights.public import FETCHED, FILES


def check(*, settings: Config) -> None:
    """Refuse `settings` with one line when a key, a type, a range or a combination is wrong.

    The JSON schema covers single keys; this also covers what must fit together, such as the sizes
    of volumes and networks, and ImageNet's weights, which trainings need only after days of others.
    """
    fetched = {file.name for file in FILES} if settings.pretrained == FETCHED else set()
    for section, encoder in settings.trained_encoders.items():
        if encoder.kind == "slices" and encoder.initialise == "imagenet":
            path = convnext_path(encoder, pretrained=settings.pretrained, section=section)
            if path.name not in fetched:
                require_convnext(encoder, pretrained=settings.pretrained, section=section)
