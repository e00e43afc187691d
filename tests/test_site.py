"""The documentation as a site: it builds without warnings, is whole, and asks nobody else."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

# What a browser fetches by itself when a page opens; links that a reader follows are not in it.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\s>]+"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^\s>]+"
    r"|@import[^;]+//[^;]+|url\((?:https?:)?//[^)]+"
)
HOME_OF_A_PAGE = re.compile(r"<link\b[^>]*\brel=[\"']?(?:canonical|me)\b[^>]*>")
SCRIPT_OF_OTHERS = "class=mermaid"  # drawn by a script that the theme would fetch


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        words,
        cwd=project,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def pages_of(navigation: object) -> Iterator[str]:
    match navigation:
        case str():
            yield navigation
        case list():
            for each in navigation:
                yield from pages_of(each)
        case dict():
            for each in navigation.values():
                yield from pages_of(each)


def test_every_page_is_in_the_navigation_and_built(project: Path, site: Path) -> None:
    configuration = yaml.safe_load((project / "mkdocs.yml").read_text())
    listed = list(pages_of(configuration["nav"]))
    pages = [path.relative_to(project / "docs") for path in project.glob("docs/**/*.md")]
    assert sorted(listed) == sorted(map(str, pages))
    for page in pages:
        assert (site / page.with_suffix(".html")).is_file(), page
    assert (site / "reference/stages.svg").is_file()


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    for path in [*site.glob("**/*.html"), *site.glob("**/*.css")]:
        text = HOME_OF_A_PAGE.sub("", path.read_text(encoding="utf-8"))
        assert not FETCHED.findall(text), path.name
        assert SCRIPT_OF_OTHERS not in text, path.name


def test_what_is_included_is_there(site: Path) -> None:
    assert "semantic_encoder.kind" in (site / "reference/settings.html").read_text()
    assert "Set up" in (site / "contributing.html").read_text()
    assert "Unreleased" in (site / "changelog.html").read_text()
    assert "--8&lt;--" not in (site / "reference/settings.html").read_text()


def test_pages_opened_from_disk_are_quiet_and_searched(site: Path, browser: Any) -> None:
    page = browser.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto((site / "reference/commands.html").as_uri())
    page.locator(".md-search__input").first.click()
    page.keyboard.type("interpolate")
    found = page.locator(".md-search-result__link[href*='#ldae-interpolate']").first
    found.wait_for(timeout=20_000)
    page.close()
    assert [each for each in heard if not each.startswith(("file:", "blob:", "data:"))] == []
