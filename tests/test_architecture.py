"""The house has a plan: imports point down only, and files stay readable."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ldae"
EVERYONE = {"config", "settings", "bids", "tables", "parsing", "runtime", "origin", "errors"}
EVERYONE |= {"devices", "gpus", "progress"}
ROOMS = {
    "cohort": set(),
    "imaging": set(),
    "adni": {"imaging"},
    "own_data": {"imaging"},
    "ingestion": {"imaging"},
    "preprocessing": set(),
    "provenance": set(),
    "data": set(),
    "nets": set(),
    "diffusion": set(),
    "training": set(),
    "metrics": set(),
    "report": set(),
    "runs": set(),
    "planning": {"models", "nets", "training", "weights", "runs"},
    "reference": set(),
    "weights": {"nets"},
    "models": {"nets", "diffusion", "weights"},
    "objectives": {"nets", "diffusion"},
    "validation": {"training", "metrics"},
}
ROOMS["stages"] = set(ROOMS)
ALLOWED = {room: below | EVERYONE for room, below in ROOMS.items()}
ALLOWED |= {
    "nets": set(),
    "diffusion": set(),
    "cli": EVERYONE | {"stages", "provenance"},
    "errors": set(),
    "origin": set(),
    "parsing": set(),
    "progress": set(),
    "config": {"errors"},
    "gpus": set(),
    "devices": {"errors", "gpus"},
    "runtime": {"devices", "errors"},
    "faults": {"config"},
    "settings": {"config", "errors", "faults", "runtime"},
    "tables": {"errors", "runtime"},
    "bids": {"errors", "runtime", "tables"},
    "__init__": set(ROOMS) | EVERYONE,
}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("ldae.")}
    used -= {"__version__", room}
    assert used <= ALLOWED[room], f"{room} imports {used - ALLOWED[room]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_packages_stay_in_their_room(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports_of(path)}
    assert "snakemake" not in packages
    if room_of(path) != "preprocessing":
        assert "ants" not in packages
    if room_of(path) in {"nets", "diffusion"}:
        assert not packages & {"pandas", "nibabel", "pydantic", "lightning"}


def test_no_workflow_file_imports_the_package() -> None:
    project = SOURCE.parents[1]
    for path in [project / "Snakefile", *project.glob("workflow/rules/*.smk")]:
        assert "import ldae" not in path.read_text(), path
        assert "from ldae" not in path.read_text(), path
