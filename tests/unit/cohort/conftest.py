"""The template head and small downloads, made once for all the tests of this folder."""

import pytest
from tests.unit.cohort.downloads import Download, write

from ldae.cohort.template import Template, load_template


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template(4.0)


@pytest.fixture(scope="session")
def download(tmp_path_factory: pytest.TempPathFactory) -> Download:
    """Ten participants, no traps."""
    return write(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Download:
    """The same participants, with traps."""
    return write(tmp_path_factory.mktemp("trapped"), traps=True)
