"""The profile that users edit: what it offers in comments is right when it is taken."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

OFFER = re.compile(r"^( *)# ((?: *)[\w-]+:(?: .*)?)$", re.MULTILINE)


@pytest.fixture
def taken(project: Path) -> str:
    """The profile with every offer taken."""
    return OFFER.sub(r"\1\2", (project / "profiles/slurm/config.yaml").read_text())


def rules_on_gpus(project: Path) -> set[str]:
    found, alike = set(), []
    for file in (project / "workflow/rules").glob("*.smk"):
        text = file.read_text()
        alike += re.findall(r"^use rule (\w+) as (\w+)", text, re.MULTILINE)
        for rule in re.split(r"^(?=rule |checkpoint )", text, flags=re.MULTILINE):
            stage = re.search(r'\*\*resources\("(autoencoder|train|evaluate)"', rule)
            if stage:
                found.add(rule.split()[1].rstrip(":"))
    return found | {name for base, name in alike if base in found}


def test_it_offers_a_gpu_to_the_rules_that_use_one(project: Path, taken: str) -> None:
    profile: dict[str, Any] = yaml.safe_load(taken)
    offered = profile["set-resources"]
    assert {rule for rule, each in offered.items() if "gpu_model" in each} == rules_on_gpus(project)
    assert set(offered) - rules_on_gpus(project) == {"preprocess_scans"}
    assert profile["default-resources"]["nodes"] == 1
    assert {"slurm_account", "slurm_partition"} <= set(profile["default-resources"])


def test_snakemake_takes_what_it_offers(project: Path, tmp_path: Path, taken: str) -> None:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed (`make setup` does)")
    shutil.copytree(project / "config", tmp_path / "config")
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/config.yaml").write_text(taken)
    (tmp_path / "slurm/partitions.yaml").write_text("partitions: {gpu: {max_gpu: 4}}")
    snakefile = ["--snakefile", str(project / "Snakefile")]
    words = ["--dry-run", "--profile", "slurm", "--configfile", "config/config.yaml"]
    demo = ["config/demo.yaml", "--quiet", "reason", "rules"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *snakefile, *words, *demo],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
