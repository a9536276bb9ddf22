"""The page in a real browser: 5,000 images searched and sorted by keys, small and dark, and hostile texts as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.keep.page import Page as ShownPage
from imageyard.keep.page_html import html
from imageyard.project.page_files import DATA, HTML
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys
from support.keep.browser import NARROW, WIDE, Page, axe_source, chromium, opened
from support.keep.pages import HOSTILE, made_page
from support.registry.served import Served, tool
from support.yard.promoted import BOTH, ONE, make_promoted_yard

COUNT = 5000
TROUBLE = ("the bucket could not be read",)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="module")
def made() -> ShownPage:
    """5,000 images of all kinds."""
    return made_page(COUNT, troubles=TROUBLE)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, made: ShownPage) -> Path:
    """The page of them."""
    path = tmp_path_factory.mktemp("page") / HTML
    path.write_bytes(html(made))
    return path


@pytest.fixture
def page(browser: Chrome, file: Path) -> Page:
    """The page, just opened, at a desk by day."""
    found = opened(browser, file)
    found.size(*WIDE)
    found.scheme("light")
    return found


def press(page: Page, *keys: str) -> None:
    """Press keys, wherever the focus is."""
    for key in keys:
        ActionChains(page.driver).send_keys(key).perform()


def focus_by_tab(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if page.js("return document.activeElement.matches(arguments[0])", selector):
            return
        press(page, Keys.TAB)
    raise AssertionError(f"no key press leads to {selector}")


def test_it_asks_nobody_and_complains_of_nothing(page: Page, file: Path) -> None:
    assert [url for url in page.requests() if not url.startswith("data:")] == [file.as_uri()]
    assert page.complaints() == []
    assert page.said == f"{COUNT} images, the first 100 are shown"
    assert len(page.column("tr")) == 100


def test_it_is_searched_by_typing(page: Page, made: ShownPage) -> None:
    focus_by_tab(page, "#words")
    press(page, *"noble GCC13")
    some = page.column(".name")
    assert set(some) == {f"linux-noble-py3.{minor}-gcc13" for minor in (10, 12, 13)}
    count = sum("noble" in one.image and one.image.endswith("gcc13") for one in made.images)
    assert page.said == f"{count} of {COUNT} images, the first 100 are shown"
    press(page, *" no such thing")
    assert (page.said, page.column("tr")) == (f"0 of {COUNT} images", [])
    focus_by_tab(page, "#reset")
    press(page, Keys.ENTER)
    assert page.driver.execute_async_script("setTimeout(arguments[0])") is None
    assert page.said == f"{COUNT} images, the first 100 are shown"


def test_it_is_chosen_from_lists_by_keys(page: Page) -> None:
    focus_by_tab(page, "#only-class")
    press(page, *"weekly")
    assert set(page.column("[data-f=class]")) == {"weekly"}
    focus_by_tab(page, "#only-checks")
    press(page, *"passed")
    assert set(page.column("[data-f=checks]")) == {"passed"}
    assert page.said.partition(" of ")[0].isdigit()


def test_it_is_sorted_by_keys_and_a_screen_reader_hears_it(page: Page) -> None:
    def state(column: int) -> str:
        code = "return document.querySelector(`[data-column='${arguments[0]}']`).parentElement.ariaSort"
        return str(page.js(code, column))

    assert [state(column) for column in range(9)] == [*["none"] * 3, "ascending", *["none"] * 5]
    focus_by_tab(page, "[data-column='0']")
    press(page, Keys.ENTER)
    names = page.column(".name")
    assert (names[0], names, state(0), state(3)) == ("linux-jammy-py3.10-gcc11", sorted(names), "ascending", "none")
    press(page, Keys.SPACE)
    assert (page.column(".name")[0], state(0)) == ("not ours", "descending")
    focus_by_tab(page, "[data-column='6']")
    press(page, Keys.ENTER)
    assert page.column("[data-f=pulled]")[0] == "1 h ago"
    press(page, Keys.ENTER)
    assert page.column("[data-f=pulled]")[0].endswith("days ago"), "what is not known comes last either way"


def test_more_rows_come_when_asked(page: Page) -> None:
    focus_by_tab(page, "#words")
    press(page, *"weekly py3.12")
    found = int(page.said.partition(" ")[0])
    assert 100 < found < 200
    page.js("document.getElementById('more').focus()")
    press(page, Keys.ENTER)
    assert len(page.column("tr")) == found
    assert page.js("return document.activeElement.id") == "count", "the button is gone, and the focus is not lost"


def test_a_pull_command_is_copied_by_a_key(page: Page) -> None:
    page.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    command = page.column(".pull")[3]
    page.js("document.querySelectorAll('.copy')[3].focus()")
    press(page, Keys.ENTER)
    code = "const done = arguments[0], said = document.getElementById('said');"
    code += "const look = () => { said.textContent ? done(said.textContent) : setTimeout(look) }; look()"
    assert page.driver.execute_async_script(code) == f"copied: {command}"
    page.js("document.getElementById('words').focus()")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
    assert page.js("return document.getElementById('words').value") == command


def test_a_name_leads_to_its_history(page: Page) -> None:
    page.js("document.querySelector('#images tbody .name').focus()")
    press(page, Keys.ENTER)
    code = "return [document.activeElement.id, document.activeElement.closest('details').open]"
    assert page.js(code) == ["history-0", True]
    charts = page.js("return [...document.querySelectorAll('#history-0 svg')].map((one) => one.ariaLabel)")
    assert {label.partition(" of ")[0] for label in charts} == {"Compressed size", "Build time"}
    assert page.js("return document.querySelectorAll('#history-0 .changes li').length") > 10


def test_what_registries_and_records_say_stays_text(page: Page) -> None:
    page.js("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    text = page.js("return document.body.textContent")
    focus_by_tab(page, "#words")
    press(page, *"hacked")
    shown = "\n".join(page.column("tr"))
    for one in HOSTILE:
        said = one.encode("utf-8", "replace").decode()
        assert said in text
        assert "hacked" not in said or said in shown
    assert page.js("return typeof window.hacked") == "undefined"
    assert page.js("return document.querySelectorAll('img, iframe, object, [onload], [onerror]').length") == 0
    page.complaints()
    page.js(
        "const one = document.createElement('script'); one.textContent = 'window.hacked = 1'; document.body.append(one)"
    )
    assert page.js("return typeof window.hacked") == "undefined"
    assert "Content Security Policy" in "".join(page.complaints())


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")])
def test_it_fits_and_axe_finds_nothing(
    browser: Chrome, size: tuple[int, int], scheme: str, shared_tmp: Path, tmp_path: Path
) -> None:
    file = tmp_path / HTML
    file.write_bytes(
        html(made_page(2 * len(HOSTILE), troubles=TROUBLE))
    )  # axe takes a second for each hundred elements
    page = opened(browser, file)
    page.size(*size)
    page.scheme(scheme)
    page.js("document.querySelector('details').open = true")
    assert page.js("return document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"
    assert page.js("const one = document.querySelector('.scroll'); return one.scrollWidth <= one.clientWidth")
    dark = page.js("return getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark is (scheme == "dark")
    stacked = page.js("return getComputedStyle(document.querySelector('#images tbody td')).display") == "grid"
    assert stacked is (size == NARROW)
    page.shoot(tmp_path / f"{size[0]}-{scheme}.png")
    assert page.axe(axe_source(shared_tmp)) == []


def test_without_a_script_the_youngest_are_there(page: Page, file: Path) -> None:
    page.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.driver.get(file.as_uri())
        document = page.cdp("DOM.getDocument")["root"]["nodeId"]
        rows = page.cdp("DOM.querySelectorAll", nodeId=document, selector="#images tbody tr")["nodeIds"]
        controls = page.cdp("DOM.querySelector", nodeId=document, selector="#controls[hidden]")["nodeId"]
        assert (len(rows), bool(controls)) == (100, True)
    finally:
        page.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_the_images_of_a_real_registry(browser: Chrome, registry: Served, tmp_path: Path) -> None:
    yard = make_promoted_yard(registry, tmp_path / "yard")
    client = registry.client()
    digests = {yard.publish(client, image) for image in (ONE, BOTH)}
    site = tmp_path / "site"
    done = yard.inv("page", "--to", str(site))
    assert done.code == 0, done.all
    read = json.loads((site / DATA).read_text())
    tags = {tag for image in read["images"] for tag in image["tags"]}
    assert tags == {
        yard.row_tag(ONE, "amd64"),
        yard.index_tag(BOTH),
        yard.row_tag(BOTH, "amd64"),
        yard.row_tag(BOTH, "arm64"),
    }
    page = opened(browser, site / HTML)
    assert page.complaints() == []
    pulls = [command.rpartition(" ")[2] for command in page.column(".pull")]
    assert digests <= {one.rpartition("@")[2] for one in pulls}
    for one in pulls:
        assert tool("crane", "digest", "--insecure", one) == one.rpartition("@")[2]
    index = next(image for image in read["images"] if yard.index_tag(BOTH) in image["tags"])
    for each in index["platforms"]:
        place = yard.at("", branch=False).name
        config = json.loads(tool("crane", "manifest", "--insecure", f"{place}@{each['digest']}"))
        assert each["size"] == config["config"]["size"] + sum(layer["size"] for layer in config["layers"])
    assert {each["platform"] for each in index["platforms"]} == {"linux/amd64", "linux/arm64"}
