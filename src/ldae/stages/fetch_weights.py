"""Fetch weights that others have published, where there is a network."""

import json
import logging
from pathlib import Path

from ldae.weights.public import FILES, fetch, write_checksums


def fetch_weights(*, folder: Path) -> None:
    """Download what LPIPS, starts from ImageNet and the Fréchet distance need.

    Each file is checked and appears whole; a download that broke off goes on. At the end
    `checksums.json` beside them lists all. The setting `pretrained` names the folder.

    Args:
        folder: where to put them.

    Raises:
        UserError: a file cannot be had, or is not the one it should be.
    """
    sums = write_checksums(folder, [fetch(file, folder) for file in FILES])
    logging.info("%s: %s", folder, json.dumps(sums))
