"""An empty download to write into, and ingestion of one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.archive import Archive
from tests.acceptance.running import Ingested, run_stages


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty download folder to write into."""
    return Archive(tmp_path / "download")


@pytest.fixture
def ingest() -> Callable[..., Ingested]:
    """`ingest(download, results, **settings)`."""
    return run_stages
