"""Fetch the network of the original's brain extraction, where there is a network to fetch it by."""

import json
import logging
from pathlib import Path

from ldae.weights.public import write_checksums


def fetch_brain_network(*, network: Path) -> None:
    """Download ANTsPyNet's weights for T1-weighted heads, and the image it aligns them to.

    `checksums.json` beside them says what was fetched; preprocessed scans' sidecars repeat it.

    Args:
        network: folder to write.

    Raises:
        UserError: if ANTsPyNet is not installed, or a download fails.
    """
    from ldae.preprocessing.network_brain import fetch_network, network_files  # noqa: PLC0415

    fetch_network(network)
    sums = write_checksums(network, list(network_files(network)))
    logging.info("%s: %s", network, json.dumps(sums))
