"""Snakemake's own report of the finished small run: it builds, and opens without a network."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from .conftest import Workflow

pytestmark = pytest.mark.slow

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"]
CATEGORIES = {
    *("All results", "Cohort", "Reconstruction", "Representation"),
    *("Editing", "Generation", "Speed"),
}


def reported(finished: Workflow, name: str) -> Path:
    done = finished.run("--report", name)
    assert done.returncode == 0, done.stdout[-4000:]
    return finished.folder / name


def test_the_zip_holds_every_table_figure_and_the_page(finished: Workflow) -> None:
    with zipfile.ZipFile(reported(finished, "report.zip")) as archive:
        held = {Path(name).name for name in archive.namelist()}
    shown = [*finished.results.glob("tables/*.csv"), *finished.results.glob("figures/*")]
    shown += [finished.results / "report/index.html", finished.results / "cohort/attrition.csv"]
    assert held >= {path.name for path in shown if path.is_file()} | {"report.html"}


def test_the_page_opens_without_a_network(finished: Workflow, tmp_path: Path) -> None:
    page = reported(finished, "report.html")
    loaded = re.findall(
        r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=[\"']?http", page.read_text()
    )
    assert not loaded
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", *OFFLINE),
            *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    drawn = re.sub(r"<(script|style)\b.*?</\1>", "", done.stdout, flags=re.DOTALL)
    said = {text.strip() for text in re.findall(r">([^<]+)<", drawn)}
    assert said >= CATEGORIES
