"""Options of a test run, and what every test may ask for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

# No deadline: a busy machine is no fault of the code. In CI the examples are the same each time; elsewhere they vary.
settings.register_profile("imageyard", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("imageyard")
settings.register_profile("soak", deadline=None, max_examples=2000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="only the random tests, and their long versions")


SLOWEST = (
    "test_workflows", "test_own_images", "test_mirror", "test_version_pairs", "test_remote_builder", "test_publish",
    "test_sessions_from_nothing", "test_publish_race", "test_remote_rows", "test_depot_rows", "test_rows", "test_stack",
    "test_sealed_is_sound", "test_plan_workflow",
)  # fmt: skip
"""The files of tests that take minutes, the longest first (as `pytest --durations` says)."""


def pytest_configure(config: pytest.Config) -> None:
    for how, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if (
            signal.getsignal(how) is signal.SIG_IGN
        ):  # started by `&` in a script, or by nohup: children would inherit it
            signal.signal(how, handler)
    if config.getoption("soak"):
        settings.load_profile("soak")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--soak`, keep what is random: what hypothesis writes, and what takes more of a corpus then.

    The files that take longest come first: a worker that begins one of them last would be waited for alone.
    """
    items.sort(key=lambda item: SLOWEST.index(item.path.stem) if item.path.stem in SLOWEST else len(SLOWEST))
    if config.getoption("soak"):
        kept = [i for i in items if is_hypothesis_test(getattr(i, "obj", None)) or "soak" in _fixtures(i)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> bool:
    """Whether the long versions of the random tests are wanted."""
    return bool(pytestconfig.getoption("soak"))


@pytest.fixture(scope="session")
def shared_tmp(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent
