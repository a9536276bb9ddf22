"""The page of 5,000 images in a browser: a key that filters it, against rows that are all elements and are hidden."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from imageyard.errors import EnvironmentLacks
from measure import Ratio

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.keep.browser import Page, browsers, chromium, opened
from support.keep.pages import made_page

__all__ = ["showing"]

COUNT = 5000
_TYPED = ("gcc13 noble", "weekly", "a1", "", "py3.12 floating")

_FILTER = """
const input = document.getElementById("words");
const began = performance.now();
input.value = arguments[0];
input.dispatchEvent(new Event("input"));
document.body.getBoundingClientRect();
return performance.now() - began;
"""
"""The time until the page has its new form: what a person waits for after a key, but for the painting."""

_ALL_ROWS = """
const body = document.querySelector("#images tbody");
const more = document.getElementById("more");
while (!more.hidden) more.click();
window.lines = [...body.rows].map((row) => [row, row.textContent.toLowerCase()]);
return body.rows.length;
"""

_HIDE = """
const began = performance.now();
const words = arguments[0].split(" ").filter(Boolean);
for (const [row, text] of window.lines) row.hidden = !words.every((word) => text.includes(word));
document.body.getBoundingClientRect();
return performance.now() - began;
"""


def showing(folder: Path) -> list[Ratio]:
    """The median over what is typed, each once: rows that are all elements take seconds.

    `folder` is an empty one to work in. Raises EnvironmentLacks without a browser.
    """
    from imageyard.keep.page_html import html

    if None in browsers():
        raise EnvironmentLacks("there is no browser to show a page", hint="nox -s install_test_tools")
    file = folder / "index.html"
    file.write_bytes(html(made_page(COUNT)))
    with chromium(folder) as driver:
        page = opened(driver, file)
        ours = _milliseconds(page, _FILTER)
        page.js(_FILTER, "")
        assert page.js(_ALL_ROWS) == COUNT
        peer = _milliseconds(page, _HIDE)
    return [Ratio(f"a key in the page of {COUNT} images", ours / 1000, peer / 1000, 0.5, len(_TYPED))]


def _milliseconds(page: Page, code: str) -> float:
    return statistics.median(page.js(code, typed) for typed in _TYPED)
