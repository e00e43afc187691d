"""Whether a configuration can be run."""

from ldae.config import Config


def check(*, settings: Config) -> None:
    """Refuse `settings` with one line when a key, a type, a range or a combination is wrong.

    The JSON schema covers single keys; this also covers what must fit together, such as the sizes
    of volumes and networks.
    """
