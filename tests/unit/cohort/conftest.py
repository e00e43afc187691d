"""The template head, prepared once for all the tests of this folder."""

import pytest

from ldae.cohort.template import Template, load_template


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template(4.0)
