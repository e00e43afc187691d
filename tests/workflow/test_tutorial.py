"""The tutorial notebook, executed from top to bottom on the finished small run, offline."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import Workflow

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[2] / "notebooks/tutorial.ipynb"
STEPS = [
    *("Preprocess", "Compress", "Vary", "Reconstruct"),
    *("Classify, and estimate age", "Interpolate", "Manipulate"),
]
HEADINGS = [f"## {number}. {name}" for number, name in enumerate(STEPS, 1)]
OFFLINE = """
import socket

def _refuse(*_):
    raise OSError("no network in this test")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = _refuse
"""


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    """As it is committed."""
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(
    finished: Workflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> nbformat.NotebookNode:
    """After all cells have run in few steps, in the Python of this test, without a network."""
    folder = tmp_path_factory.mktemp("kernel")
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": words, "display_name": "this Python", "language": "python"}
    (folder / "kernels/this").mkdir(parents=True)
    (folder / "kernels/this/kernel.json").write_text(json.dumps(kernel))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        patch.setenv("LDAE_RUN", str(finished.results))
        patch.setenv("LDAE_STEPS", "3")
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        client = NotebookClient(notebook, timeout=300, kernel_name="this")
        return client.execute(cwd=str(folder))  # raises with the cell and its traceback


def figures(notebook: nbformat.NotebookNode) -> dict[str, int]:
    """How many figures each section draws, by its heading."""
    drawn: dict[str, int] = {}
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.source.splitlines()[0]
        images = [each for each in cell.get("outputs", []) if "image/png" in each.get("data", {})]
        drawn[heading] = drawn.get(heading, 0) + len(images)
    return drawn


def test_it_is_committed_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_has_the_seven_steps(notebook: nbformat.NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith("## ") and line[3].isdigit()]
    assert headings == HEADINGS


def test_every_step_draws_and_no_cell_complains(executed: nbformat.NotebookNode) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    drawn = figures(executed)
    assert all(drawn[heading] for heading in HEADINGS), drawn
