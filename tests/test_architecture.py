"""The house has a plan: imports point down only, and files stay readable."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ldae"
EVERYONE = {"config", "settings", "bids", "tables", "parsing", "runtime", "origin", "errors"}
EVERYONE |= {"devices", "gpus", "progress", "commands"}
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
    "publishing": {"pretrained", "models", "nets", "diffusion", "weights"},
    "objectives": {"nets", "diffusion"},
    "explorer": {"models", "diffusion", "data", "metrics", "report"},
    "validation": {"training", "metrics"},
    "pretrained": {
        *("models", "nets", "diffusion", "weights", "data", "metrics", "preprocessing", "report"),
    },
}
ROOMS["stages"] = set(ROOMS)
ALLOWED = {room: below | EVERYONE for room, below in ROOMS.items()}
ALLOWED |= {
    "nets": set(),
    "diffusion": set(),
    "cli": EVERYONE | {"stages", "provenance"},
    "commands": set(),
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


def reached_from(path: Path) -> set[str]:
    """All that importing a module imports: names of packages, and of modules of this one."""
    reached: set[str] = set()
    waiting = [path]
    while waiting:
        for name in imports_of(waiting.pop()) - reached:
            reached.add(name)
            place = SOURCE.parent / name.replace(".", "/")
            for each in (place.with_suffix(".py"), place.parent.with_suffix(".py")):
                waiting += [each] if SOURCE in each.parents and each.is_file() else []
    return reached


@pytest.mark.parametrize(
    ("stage", "slow"),
    [
        ("embed_scans", {"monai", "lightning", "sklearn"}),
        ("predict_supervised", {"monai", "lightning", "sklearn"}),
        ("invert_scans", {"lightning", "sklearn"}),
        ("evaluate_probes", {"monai", "lightning", "torchvision"}),
        ("train_ldae", {"monai"}),
        ("train_supervised", {"monai"}),
    ],
)
def test_stages_start_without_packages_they_have_no_use_for(stage: str, slow: set[str]) -> None:
    reached = reached_from(SOURCE / "stages" / f"{stage}.py")
    assert len(reached) > 20
    assert not slow & {name.split(".")[0] for name in reached}


def test_no_workflow_file_imports_the_package() -> None:
    project = SOURCE.parents[1]
    for path in [project / "Snakefile", *project.glob("workflow/rules/*.smk")]:
        assert "import ldae" not in path.read_text(), path
        assert "from ldae" not in path.read_text(), path
