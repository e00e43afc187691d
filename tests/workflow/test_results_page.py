"""Both builds of the finished run's page: nobody in the one to share, both work in a browser."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ldae.report.sharing import LEAST_SUBJECTS

from .conftest import Workflow

pytestmark = pytest.mark.slow

WIDTHS = (1280, 390)  # of a desk and of a telephone, in pixels
GROUP_FIGURES = {"cohort_flow"}  # embedded pictures that show nobody
# Whose numbers, speeds or years, could be those of an image by chance.
NUMBERS = {"throughput.csv", "resources.csv", "methods.md", "references.bib"}
REFERENCES = re.compile(r"<ol>.*?</ol>", re.DOTALL)
EMBEDDED = re.compile(r'(?:download="([^"]+)" href|src)="data:[^,"]*;base64,([^"]*)"')


def page_of(finished: Workflow, build: str) -> str:
    return (finished.results / f"report/{build}.html").read_text(encoding="utf-8")


def texts(page: str) -> Iterator[tuple[str, str]]:
    """The page itself without references, and all that is embedded, decoded, each with its name."""
    yield "page", EMBEDDED.sub("", REFERENCES.sub("", page))
    for name, part in EMBEDDED.findall(page):
        yield name or "picture", base64.b64decode(part).decode("utf-8", "replace")


def labels_in(page: str, labels: set[str]) -> set[str]:
    """Those `labels` that stand in a page or in something embedded."""
    words = {label for label in labels if re.fullmatch(r"[\w-]+", label)}
    found: set[str] = set()
    for name, text in texts(page):
        known = {label for label in words if not (name in NUMBERS and label.isdigit())}
        found |= known & set(re.findall(r"(?<![\d.,])[\w-]+(?![.,]\d)", text))
        found |= {label for label in labels - words if label in text}
        found |= set(re.findall(r"\d{3}_S_\d{4}|\bsub-\w+|\bses-M\d+", text))
    return found


def test_the_shareable_build_has_no_label_of_a_person_session_or_image(finished: Workflow) -> None:
    images = pd.read_csv(finished.results / "cohort/images.tsv", sep="\t", dtype=str)
    images = pd.concat([images, pd.read_parquet(finished.results / "cohort/scans.parquet")])
    columns = ["participant_id", "subject", "session_id", "image_id", "series_id", "place", "image"]
    labels = {str(label) for label in images[columns].stack().dropna()} - {"n/a"}
    labels |= {label.removeprefix("sub-") for label in labels if label.startswith("sub-")}
    assert len(labels) > 200
    assert labels_in(page_of(finished, "shareable"), labels) == set()
    assert len(labels_in(page_of(finished, "index"), labels)) > 10


def test_the_shareable_build_embeds_the_group_figures_alone(finished: Workflow) -> None:
    page = page_of(finished, "shareable")
    assert set(re.findall(r'data-figure="([^"]+)"', page)) == GROUP_FIGURES
    assert page.count("<img") == page.count("data:image/") == len(GROUP_FIGURES)
    assert not re.search(r"<(canvas|video|object|embed|iframe|image)\b|data:image/(?!svg)", page)
    curves = len(re.findall(r'<figure class="chart">', page))
    assert page.count("<svg") == curves > 0
    assert page_of(finished, "index").count("data:image/png") > 5


def test_the_shareable_build_has_no_row_about_few(finished: Workflow) -> None:
    downloads = dict(EMBEDDED.findall(page_of(finished, "shareable")))
    counted = 0
    for name in (path.name for path in finished.results.glob("tables/*.csv")):
        rows = pd.read_csv(io.BytesIO(base64.b64decode(downloads[name])))
        if "n_subjects" in rows:
            assert (rows["n_subjects"] >= LEAST_SUBJECTS).all(), name
            counted += len(rows)
    assert counted > 100


@pytest.fixture(params=["index", "shareable"])
def build(request: pytest.FixtureRequest, finished: Workflow) -> Path:
    return finished.results / f"report/{request.param}.html"


def test_each_build_works_without_a_fault_or_a_network(build: Path, browser: Any) -> None:
    page = browser.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url.partition(",")[0]))
    page.goto(build.as_uri())
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in ("headline", "reconstruction"):
            assert_sorts_by_keyboard(page, name)
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {build.as_uri()}
    assert page.locator(".notice", has_text=" build.").count() == 1
    page.close()


def assert_sorts_by_keyboard(page: Any, name: str) -> None:
    """Twice pressed, the second column of numbers rises and falls, with empty cells last."""
    table = page.locator(f"#table-{name} table")
    heading = table.locator("th.number").nth(1)
    column = heading.evaluate("(heading) => heading.cellIndex")
    heading.locator("button").focus()
    for order, down in (("ascending", False), ("descending", True)):
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == order
        values = table.locator("tbody tr").evaluate_all(
            "(rows, column) => rows.map((row) => row.cells[column].dataset.sort)", column
        )
        numbers = [float(value) for value in values if value is not None]
        assert len(numbers) > 3
        assert numbers == sorted(numbers, reverse=down)
        assert None not in values[: len(numbers)]


def test_a_table_is_downloaded_as_it_stands_in_the_run(finished: Workflow, browser: Any) -> None:
    page = browser.new_page(accept_downloads=True)
    page.goto((finished.results / "report/index.html").as_uri())
    with page.expect_download() as caught:
        page.locator("#table-reconstruction .download").press("Enter")
    assert caught.value.suggested_filename == "reconstruction.csv"
    table = finished.results / "tables/reconstruction.csv"
    assert Path(caught.value.path()).read_bytes() == table.read_bytes()
    page.close()
