"""The page is one file of what it was given, which nothing in the data can break out of."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ldae.explorer.page import fixed_size, render


class Elements(HTMLParser):
    """The script elements of a page, and whatever any element would load."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loaded += [given[name] for name in ("src", "srcset", "data") if name in given]
        if tag == "link":
            self.loaded.append(given["href"])
        if tag == "script":
            self.scripts.append((given, ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)


@pytest.fixture(scope="module")
def html(shown):
    return render(shown)


@pytest.fixture(scope="module")
def elements(html):
    found = Elements()
    found.feed(html)
    return found


def test_nothing_is_loaded(html, elements) -> None:
    assert set(elements.loaded) == {"data:,"}  # no icon
    assert "@import" not in html
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1)
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src" not in policy


def test_the_policy_lets_its_own_scripts_run_and_no_others(html, elements) -> None:
    modules = [text for given, text in elements.scripts if given.get("type") == "module"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in modules]
    policy = re.search(r"script-src ([^;]+);", html).group(1)
    assert policy == " ".join(f"'sha256-{each}'" for each in hashes)


def test_everything_named_is_there_once(shown, elements) -> None:
    texts = {given["id"]: text for given, text in elements.scripts if "id" in given}
    content = json.loads(texts.pop("content"))
    assert texts == {name: text for each in shown.subjects for name, text in each.blobs.items()}
    named = re.findall(r'"([ABC]/[^"]+)"', json.dumps(content))
    assert set(named) == set(texts)


def test_data_cannot_break_out(html, elements) -> None:
    content = json.loads(
        next(text for given, text in elements.scripts if given.get("id") == "content")
    )
    assert content["subjects"][1]["participant_id"] == "sub-B</script><b>"
    assert "sub-B</script>" not in html
    assert "sub-B&lt;/script&gt;&lt;b&gt;" in html


def test_it_says_what_is_chosen(html) -> None:
    said = " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<footer>") :]).split())
    assert "2 of 5 test subjects are here with volumes, 3 of 9 subjects with the pictures" in said
    assert "the page may take 5 MB" in said
    assert "Internal: this page shows single scans." in html


def test_its_size_is_foreseen(shown, html) -> None:
    foreseen = fixed_size(shown.viewer) + sum(each.size for each in shown.subjects)
    assert 0 <= foreseen - len(html.encode()) < 40_000


def test_a_page_of_nobody_says_what_to_raise(shown) -> None:
    empty = render(replace(shown, subjects=[]))
    assert "Raise <code>explorer.max_mb</code>" in empty
    assert len(empty.encode()) < fixed_size(shown.viewer)
