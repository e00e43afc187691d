"""The explorer of the finished small run, in a real browser: opened from disk, offline."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import Workflow

pytestmark = pytest.mark.slow

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SLIDERS = {"manipulation": 4, "interpolation": 4, "variation": 1}  # with their last positions


def pixels(page: Any) -> np.ndarray:
    shot = page.locator("#view-second canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"), dtype=int)


def shown(page: Any, part: str) -> str:
    """What the viewers show, once it is of `part`."""
    page.wait_for_selector(f'#viewing[data-shown^="{part} "]', timeout=60_000)
    return str(page.get_attribute("#viewing", "data-shown"))


@pytest.mark.parametrize("size", SIZES)
def test_it_is_clicked_through(finished: Workflow, browser: Any, tmp_path: Path, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_offline(True)
    page, asked, complaints = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = (finished.results / "report/explorer.html").as_uri()
    page.goto(address)
    shown(page, "reconstruction")
    for part, last in SLIDERS.items():
        page.click(f"#tab-{part}")
        at_first = shown(page, part)
        before = pixels(page)
        position = 0 if page.input_value("#slider") != "0" else last
        page.locator("#slider").fill(str(position))
        page.wait_for_function(
            "before => document.querySelector('#viewing').dataset.shown !== before", arg=at_first
        )
        page.screenshot(path=tmp_path / f"{part}-{size}.png", full_page=True)
        assert (np.abs(pixels(page) - before) > 4).mean() > 0.002, part
    page.click("#tab-sessions")
    loaded = "[...document.querySelectorAll('#sessions img')].every(each => each.naturalWidth > 0)"
    page.wait_for_function(f"document.querySelector('#sessions img') && {loaded}")
    page.screenshot(path=tmp_path / f"sessions-{size}.png", full_page=True)
    wide, fits = page.evaluate("[document.body.scrollWidth, document.body.clientWidth]")
    assert wide <= fits
    assert asked[0] == address
    assert {url.partition(":")[0] for url in asked[1:]} <= {"data", "blob"}
    assert not complaints, complaints
    context.close()


def test_it_is_not_larger_than_it_may_be_and_recorded(finished: Workflow) -> None:
    page = finished.results / "report/explorer.html"
    assert page.stat().st_size <= 12e6  # config/demo.yaml
    assert (page.parent / ".provenance/explorer.html.json").is_file()
    assert "report/explorer.html" in (finished.results / "provenance.json").read_text()
