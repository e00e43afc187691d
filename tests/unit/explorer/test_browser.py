"""The page in a real browser: opened from disk, clicked through, its sliders moved, offline."""

import io

import numpy as np
import pytest
from PIL import Image

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SECOND, DIFFERENCE = "#view-second", "#view-difference"


class Opened:
    """The page, with what it asks for and complains of."""

    def __init__(self, context, path, place: str = "") -> None:
        self.page = context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.address = f"{path.as_uri()}{place}"
        self.page.goto(self.address)
        self.page.wait_for_function("document.querySelector('#facts').textContent !== ''")

    def shows(self, name: str) -> None:
        self.page.wait_for_selector(f'#viewing[data-shown*="{name} "]:not(.away)', timeout=20_000)

    def look(self, part: str) -> None:
        self.page.click(f"#tab-{part}")

    def picture(self, view: str) -> np.ndarray:
        shot = self.page.locator(f"{view} canvas").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=int)

    def value(self, view: str) -> float:
        return float(self.page.inner_text(f"{view} .value"))

    def pressed(self, group: str) -> str:
        return self.page.inner_text(f'#{group}-choice [aria-pressed="true"]')

    def choose(self, group: str, name: str) -> None:
        self.page.click(f'#{group}-choice button:has-text("{name}")')

    def to(self, position: int) -> None:
        self.page.locator("#slider").fill(str(position))


def differ(one: np.ndarray, other: np.ndarray) -> float:
    """The share of pixels that are not the same; sizes may be a pixel apart, by rounding."""
    height, width = np.minimum(one.shape, other.shape)[:2]
    one, other = one[:height, :width], other[:height, :width]
    return float((np.abs(one - other).max(axis=-1) > 8).mean())


@pytest.fixture(scope="module", params=SIZES)
def opened(request, browser, page_path):
    width, height = SIZES[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=request.param == "phone"
    )
    context.set_offline(True)
    yield Opened(context, page_path)
    context.close()


def test_the_viewers_show_scan_reconstruction_and_difference(opened) -> None:
    opened.look("reconstruction")
    opened.shows("A/made0")
    first, second, difference = (
        opened.picture(f"#view-{x}") for x in ("first", "second", "difference")
    )
    assert (first.max(axis=-1) > 60).mean() > 0.05  # a ball, not a black field
    assert differ(first, second) > 0.02
    coloured = np.ptp(difference, axis=-1) > 60
    assert coloured.mean() > 0.02
    assert opened.value(DIFFERENCE) == pytest.approx(
        opened.value(SECOND) - opened.value("#view-first"), abs=0.0011
    )
    opened.choose("which", "ses-M012")
    opened.shows("A/made2")
    assert differ(first, opened.picture("#view-first")) > 0.02


def test_strength_moves_the_image_and_what_is_read(opened) -> None:
    opened.look("manipulation")
    opened.shows("A/x+0.2")
    moved, value = opened.picture(SECOND), opened.value(SECOND)
    assert "probability of AD of 0.90 and an age of 75.0" in opened.page.inner_text("#numbers")
    opened.to(0)
    opened.shows("A/x-0.2")
    assert differ(moved, opened.picture(SECOND)) > 0.02
    assert opened.value(SECOND) < value
    assert "probability of AD of 0.20" in opened.page.inner_text("#numbers")
    opened.to(1)
    opened.shows("A/made0")
    assert opened.value(DIFFERENCE) == 0
    assert (np.ptp(opened.picture(DIFFERENCE), axis=-1) > 60).mean() < 0.02  # but for the crosshair
    opened.choose("which", "Towards old age")
    opened.to(2)
    opened.shows("A/y+0.2")


def test_time_moves_beside_the_real_session(opened) -> None:
    opened.look("interpolation")
    opened.shows("A/month6")  # the real session's own time
    assert opened.pressed("beside") == "Middle, month 6"
    real, between = opened.picture("#view-first"), opened.picture(SECOND)
    opened.to(2)
    opened.shows("A/month12")
    assert differ(between, opened.picture(SECOND)) > 0.02
    assert differ(real, opened.picture("#view-first")) == 0
    opened.choose("beside", "Last, month 12")
    opened.shows("A/month12 2")
    assert differ(real, opened.picture("#view-first")) > 0.02


def test_samples_vary_around_their_mean(opened) -> None:
    opened.look("variation")
    opened.shows("A/sample0")
    values = []
    for sample in range(3):
        opened.to(sample)
        opened.shows(f"A/sample{sample}")
        values.append(opened.value(SECOND))
    assert len(set(values)) == 3
    assert opened.value("#view-first") == pytest.approx(np.mean(values), abs=0.003)


def test_a_click_moves_all_viewers(opened) -> None:
    opened.look("reconstruction")
    opened.shows("A/made0")
    opened.choose("plane", "Axial")
    before = {view: (opened.picture(view), opened.value(view)) for view in ("#view-first", SECOND)}
    box = opened.page.locator("#view-first canvas").bounding_box()
    opened.page.locator("#view-first canvas").click(
        position={"x": 0.38 * box["width"], "y": 0.5 * box["height"]}
    )
    opened.page.wait_for_timeout(150)
    for view, (picture, value) in before.items():
        assert differ(picture, opened.picture(view)) > 0.002, view
        assert opened.value(view) != value
    opened.choose("plane", "All")


def test_the_colours_range_can_be_set(opened) -> None:
    opened.look("reconstruction")
    opened.shows("A/made0")
    before = opened.picture(DIFFERENCE)
    opened.page.locator("#limit").fill("50")
    opened.page.wait_for_selector('#viewing[data-shown$=" 0.5"]')
    assert opened.page.inner_text("#limit-value") == "±0.50"
    assert differ(before, opened.picture(DIFFERENCE)) > 0.02


def test_sessions_stand_with_their_quality(opened) -> None:
    opened.look("sessions")
    said = opened.page.inner_text("#sessions")
    assert "excluded: brain smaller than 900 ml" in said
    assert said.count("at least 900 ml") == 4
    width = "document.querySelector('#sessions img').naturalWidth"
    opened.page.wait_for_function(f"{width} === 96")
    assert opened.page.locator("td.beyond").count() == 4


def test_subjects_can_be_turned_to(opened) -> None:
    opened.look("reconstruction")
    opened.page.click("#next")
    opened.shows("B/made")
    opened.look("manipulation")
    assert opened.page.locator("#absent").inner_text() == "No codes were moved for this subject."
    opened.page.select_option("#subject", "sub-C")
    opened.look("reconstruction")
    assert "no volumes" in opened.page.locator("#absent").inner_text()
    assert opened.page.is_disabled("#next")
    assert opened.page.url.endswith("#sub-C/reconstruction")
    opened.page.select_option("#subject", "sub-A")
    opened.shows("A/made0")


def test_a_link_leads_to_a_part(opened, page_path) -> None:
    other = Opened(opened.page.context, page_path, "#sub-A/interpolation")
    other.shows("A/month6")
    assert not other.complaints
    other.page.close()


def test_without_webgl_it_says_so_and_shows_the_rest(browser, page_path) -> None:
    context = browser.new_context()
    context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    poor = Opened(context, page_path)
    poor.page.wait_for_selector("#problem:not([hidden])")
    assert "need WebGL 2" in poor.page.inner_text("#problem")
    poor.look("sessions")
    assert poor.page.locator("#sessions img").count() == 1
    context.close()


def test_it_fits_the_screen(opened) -> None:
    for part in ("manipulation", "sessions"):
        opened.look(part)
        scrolled, shown = opened.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert scrolled <= shown, part


def test_it_asked_for_nothing_and_complained_of_nothing(opened) -> None:
    """The last test: of all that was done before."""
    assert opened.asked[0] == opened.address
    assert {url.partition(":")[0] for url in opened.asked[1:]} <= {"data", "blob"}
    assert not opened.complaints
