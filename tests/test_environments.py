"""One set of packages, however it is installed: `make setup`, conda, Docker."""

import ast
import fnmatch
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NOT_LOCKED = {"antspynet", "tensorflow"}  # of envs/antspynet.yaml alone
BRAIN_STAGES = ["ldae.cli", "ldae.stages.preprocess_scans", "ldae.stages.fetch_brain_network"]


def pins(lines: list[str]) -> dict[str, str]:
    """Versions of `name==version` by canonical name."""
    split = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in split}


@pytest.fixture(scope="module")
def lock(project: Path) -> dict[str, str]:
    return pins((project / "requirements.lock").read_text().splitlines())


@pytest.fixture(scope="module")
def package(project: Path) -> dict[str, Any]:
    described: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return described


def environment(project: Path, name: str) -> tuple[str, dict[str, str]]:
    """Python's version in `envs/{name}.yaml`, and the packages by pip."""
    *conda, by_pip = yaml.safe_load((project / f"envs/{name}.yaml").read_text())["dependencies"]
    python = next(each for each in conda if each.startswith("python="))
    assert set(conda) == {python, "pip"}
    return python.removeprefix("python="), pins(by_pip["pip"])


def imported(module: str, source: Path, seen: set[str]) -> set[str]:
    """Packages of others that are imported when `module` of ours is, without those of functions."""
    path = source.joinpath(*module.split("."))
    file = next(
        (each for each in (path.with_suffix(".py"), path / "__init__.py") if each.exists()), None
    )
    if file is None or module in seen:
        return set()
    seen.add(module)
    names: set[str] = {module.rpartition(".")[0]}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *[f"{node.module}.{alias.name}" for alias in node.names]}
    ours = {name for name in names if name.split(".")[0] == "ldae"}
    others = {name.split(".")[0] for name in names - ours} - {""}
    return others.union(*[imported(name, source, seen) for name in ours])


def test_the_lock_has_what_the_package_asks_for(
    lock: dict[str, str], package: dict[str, Any]
) -> None:
    extras = package["optional-dependencies"].values()
    for text in [*package["dependencies"], *[each for extra in extras for each in extra]]:
        asked = Requirement(text)
        assert asked.specifier.contains(lock[canonicalize_name(asked.name)]), text


def test_the_lock_is_names_and_versions_alone(project: Path) -> None:
    lines = (project / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)]


def test_the_package_brings_its_files_that_are_no_modules(project: Path) -> None:
    described = tomllib.loads((project / "pyproject.toml").read_text())
    patterns = described["tool"]["setuptools"]["package-data"]["ldae"]
    source = project / "src/ldae"
    brought = {path for pattern in patterns for path in source.glob(pattern)}
    others = {path for path in source.rglob("*") if path.is_file()}
    assert {path for path in others if path.suffix not in {".py", ".pyc"}} == brought


@pytest.mark.parametrize("name", ["ldae", "antspynet"])
def test_conda_installs_what_the_lock_says(
    project: Path, lock: dict[str, str], package: dict[str, Any], name: str
) -> None:
    python, packages = environment(project, name)
    assert Requirement(f"python{package['requires-python']}").specifier.contains(python)
    locked = {each: version for each, version in packages.items() if each not in NOT_LOCKED}
    assert locked == {each: lock[each] for each in locked}


def test_the_stages_environment_has_every_dependency(
    project: Path, package: dict[str, Any]
) -> None:
    asked = {canonicalize_name(Requirement(text).name) for text in package["dependencies"]}
    assert set(environment(project, "ldae")[1]) == asked


def test_the_brain_environment_has_what_its_stages_import(project: Path) -> None:
    names = set().union(*[imported(stage, project / "src", set()) for stage in BRAIN_STAGES])
    providers = packages_distributions()
    installed = set(environment(project, "antspynet")[1]) | {"pydantic-core"}  # with pydantic
    for name in names - set(sys.stdlib_module_names):
        assert {canonicalize_name(each) for each in providers[name]} & installed, name


def test_the_image_is_made_by_make_setup(project: Path, package: dict[str, Any]) -> None:
    text = re.sub(r"\\\n", " ", (project / "Dockerfile").read_text())
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    words = [" ".join(step) for step in steps]
    version = re.match(r"FROM python:(\d\.\d+)-", words[0])
    assert version is not None
    assert Requirement(f"python{package['requires-python']}").specifier.contains(version[1])
    installs = [each for each in words if re.search(r"\b(pip|conda|make)\b", each)]
    assert installs[1:] == ["RUN make setup"], "the system's packages, then make setup"
    assert installs[0].startswith("RUN apt-get update")
    before = words[: words.index("RUN make setup")]
    assert "COPY --chown=ldae:ldae . ." in before
    assert "USER ldae" in before
    assert not [each for each in words if each.startswith("USER root")]
    assert f"ENV PATH=/home/ldae/ldae/{venv(project)}/bin:$PATH" in words


def test_what_the_image_needs_is_not_left_out(project: Path) -> None:
    lines = (project / ".dockerignore").read_text().splitlines()
    left_out = [line for line in lines if line and not line.startswith("#")]
    assert {venv(project), "results", ".snakemake", "resources"} <= set(left_out)
    for name in ["Makefile", "Snakefile", "pyproject.toml", "requirements.lock", "README.md"]:
        assert not [each for each in left_out if fnmatch.fnmatch(name, each)], name
    for folder in ["src", "workflow", "config", "envs", "profiles", ".git"]:
        assert folder not in left_out


def venv(project: Path) -> str:
    found = re.search(r"^VENV := (\S+)$", (project / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_the_catalog_finds_what_it_looks_for(project: Path) -> None:
    usage = yaml.safe_load((project / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}
    assert usage["report"] is True
    assert (project / "workflow/Snakefile").exists()
    assert (project / "config/README.md").exists()
    assert re.search("snakemake", readme := (project / "README.md").read_text(), re.IGNORECASE)
    assert "workflow" in readme
