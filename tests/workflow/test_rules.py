"""What every rule must have, read from the rules as Snakemake parses them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Workflow

PARSE = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

def shown(file):
    about = file.flags["report"]
    return [file, about.caption.get_path_or_uri(secret_free=True), about.category]

project = Path(sys.argv[1])
files = [project / "config/config.yaml", project / "config/demo.yaml"]
with SnakemakeApi(OutputSettings()) as api:
    parsed = api.workflow(
        resource_settings=ResourceSettings(cores=2),
        config_settings=ConfigSettings(configfiles=files),
        snakefile=project / "Snakefile",
        workdir=Path.cwd(),
    )
    rules = {
        rule.name: {
            "target": rule.norun,
            "doc": rule.docstring,
            "message": rule.message,
            "log": [str(file) for file in rule.log],
            "benchmark": rule.benchmark and str(rule.benchmark),
            "resources": sorted(rule.resources),
            "output": [str(file) for file in rule.output],
            "shown": [shown(file) for file in rule.output if "report" in file.flags],
        }
        for rule in parsed._workflow.rules
    }
print(json.dumps(rules))
"""
ASKED = {"gpu", "mem_mb", "runtime"}
TITLE = re.compile(r"(?P<target>\d+)\. [A-Z][^.\n]*\.")
JOB = re.compile(r"(?P<target>\d+)\.(?P<job>[1-9]) [A-Z].*\.")

Rules = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Rules:
    """Every rule of the demo, in the order of the Snakefile."""
    folder = tmp_path_factory.mktemp("parsed")
    workflow = Workflow(project, folder)
    (folder / "config").symlink_to(project / "config")
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(project)],
        cwd=folder,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parsed: Rules = json.loads(done.stdout.splitlines()[-1])
    return parsed


@pytest.fixture(scope="module")
def jobs(rules: Rules) -> Rules:
    return {name: rule for name, rule in rules.items() if not rule["target"]}


def test_every_job_has_a_log_a_benchmark_resources_and_a_message(jobs: Rules) -> None:
    for name, rule in jobs.items():
        assert rule["log"], name
        assert rule["benchmark"], name
        assert set(rule["resources"]) >= ASKED, name
        assert rule["message"], name


def test_logs_and_benchmarks_have_the_same_places(jobs: Rules) -> None:
    for name, rule in jobs.items():
        log, benchmark = Path(rule["log"][0]), Path(rule["benchmark"])
        assert (log.suffix, benchmark.suffix) == (".log", ".tsv"), name
        if "logs" in log.parts:
            place = Path(str(log).replace("/logs/", "/benchmarks/", 1)).with_suffix(".tsv")
            assert benchmark == place, name


def test_the_list_reads_like_a_table_of_contents(rules: Rules) -> None:
    titles = [TITLE.fullmatch(rule["doc"]) for rule in rules.values() if rule["target"]]
    assert [title and int(title["target"]) for title in titles] == list(range(len(titles)))
    parts = {name: JOB.fullmatch(rule["doc"] or "") for name, rule in rules.items()}
    numbers: dict[int, list[int]] = {}
    for name, part in parts.items():
        if not rules[name]["target"]:
            assert part, f"{name}: its first line must be like '3.1 Train the autoencoder.'"
            numbers.setdefault(int(part["target"]), []).append(int(part["job"]))
    assert numbers.keys() <= set(range(1, len(titles)))
    for target, own in numbers.items():
        assert sorted(own) == list(range(1, len(own) + 1)), f"jobs of target {target}"


def test_the_readme_names_every_target_in_order(rules: Rules, project: Path) -> None:
    readme = (project / "README.md").read_text()
    section = readme.partition("\n## One stage")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert listed == [name for name, rule in rules.items() if rule["target"] and name != "all"]


def test_tables_figures_and_the_page_are_shown_with_a_caption(jobs: Rules, project: Path) -> None:
    captions = {path for path in (project / "workflow/report").rglob("*.rst")}
    used = {project / "workflow/report/workflow.rst"}
    for name, rule in jobs.items():
        for _, caption, category in rule["shown"]:
            assert Path(caption).resolve() in captions, f"{name}: no caption {caption}"
            assert category, name
            used.add(Path(caption).resolve())
        results = {
            path
            for path in rule["output"]
            if re.search(r"/tables/\w+\.csv$|/figures/|/report/index\.html$", path)
        }
        assert results <= {path for path, _, _ in rule["shown"]}, name
    assert captions == used
