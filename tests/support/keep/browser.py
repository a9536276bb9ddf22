"""A browser without a screen on a page, driven by key presses, and the checks of accessibility of axe-core."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from support.registry.served import lacking

__all__ = ["AXE", "NARROW", "WIDE", "Page", "axe_source", "browsers", "chromium", "opened"]

AXE = "4.14.1"
WIDE, NARROW = (1400, 1000), (400, 900)
"""Sizes of a window, in pixels: a desk, and a phone."""


def browsers() -> tuple[str | None, str | None]:
    """Chromium, as Debian packages it, or Chrome, and its driver; None for what is not installed."""
    return shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")


@contextmanager
def chromium(folder: Path) -> Iterator[Chrome]:
    """A browser without a screen, with a profile in `folder`; what it asks for and logs is kept."""
    programs = browsers()
    for name, program in zip(("chromium", "chromedriver"), programs, strict=True):
        if program is None:
            lacking(name)
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in ("headless=new", "disable-gpu", "disable-dev-shm-usage", f"user-data-dir={folder}/profile"):
        options.add_argument(f"--{argument}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium has none for root
    driver = Chrome(options=options, service=Service(str(programs[1]), log_output=str(folder / "chromedriver.log")))
    driver.set_script_timeout(300)
    driver.get("about:blank")  # the browser's own first page still loads: what it asks for is not of the page
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """A page in the browser."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def js(self, code: str, *arguments: Any) -> Any:
        """What a function body returns, in the page."""
        return self.driver.execute_script(code, *arguments)

    def cdp(self, command: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def size(self, width: int, height: int) -> None:
        """Make the window as large as a phone, or a desk."""
        mobile = width < 600
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def scheme(self, name: str) -> None:
        """Prefer `light` or `dark`."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def shoot(self, path: Path) -> None:
        """Take a picture of what is seen."""
        assert self.driver.save_screenshot(str(path))

    @property
    def said(self) -> str:
        """The count that a screen reader hears."""
        return str(self.js("return document.getElementById('count').textContent"))

    def column(self, selector: str) -> list[str]:
        """The text of an element of each row that is shown."""
        code = "return [...document.querySelectorAll('#images tbody ' + arguments[0])].map((one) => one.textContent)"
        return list(self.js(code, selector))

    def requests(self) -> list[str]:
        """The addresses that were asked for since it was looked at last."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def complaints(self) -> list[str]:
        """What the console was told since it was looked at last: errors of scripts, and what the policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def axe(self, source: str) -> list[str]:
        """The faults that axe-core finds, a line each."""
        self.cdp("Runtime.evaluate", expression=source)
        code = "const done = arguments[0]; axe.run(document).then((found) => done(found.violations))"
        found = self.driver.execute_async_script(code)
        return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]


def opened(driver: Chrome, file: Path) -> Page:
    """Open a file."""
    page = Page(driver)
    page.requests()
    page.complaints()
    driver.get(file.as_uri())
    return page


def axe_source(shared: Path) -> str:
    """The code of axe-core, from the registry that npm on this machine is configured for; fetched once in `shared`."""
    archive = shared / f"axe-core-{AXE}.tgz"
    with (shared / "axe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            argv = ["npm", "pack", "--silent", "--pack-destination", str(shared), f"axe-core@{AXE}"]
            try:
                done = subprocess.run(argv, cwd=shared, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                lacking("npm")
            if done.returncode:
                pytest.skip(f"npm has no axe-core@{AXE}: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(archive) as opened_archive:
        member = opened_archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()
