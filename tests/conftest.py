"""Options of a test run, and what every test may ask for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings
from support.shards import shards, slow_files

# No deadline: a busy machine is no fault of the code. In CI the examples are the same each time; elsewhere they vary.
settings.register_profile("imageyard", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("imageyard")
settings.register_profile("soak", deadline=None, max_examples=2000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="only the random tests, their long versions, and long tests")
    parser.addoption("--shard", metavar="N/M", help="only the N-th of M parts, each of which takes about as long")


def pytest_configure(config: pytest.Config) -> None:
    for how, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(how) is signal.SIG_IGN:  # by `&` in a script, or by nohup: children would inherit it
            signal.signal(how, handler)
    if config.getoption("soak"):
        settings.load_profile("soak")
    config.option.loadscopereorder = False  # of xdist: the files with most tests first, which are not the longest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what the options ask for; workers begin with the files that take longest, so that none ends alone."""
    if config.getoption("soak"):
        random = [i for i in items if is_hypothesis_test(getattr(i, "obj", None)) or "soak" in _fixtures(i)]
        _keep(config, items, [*random, *(item for item in items if item.get_closest_marker("soak"))])
    else:
        _keep(config, items, [item for item in items if not item.get_closest_marker("soak")])
    seconds = slow_files()
    if shard := config.getoption("shard"):
        number, _, count = shard.partition("/")
        mine = shards(list(dict.fromkeys(map(_file, items))), seconds, int(count))[int(number) - 1]
        _keep(config, items, [item for item in items if _file(item) in mine])
    if hasattr(config, "workerinput"):  # alone, they run in the order in which they are asked for
        items.sort(key=lambda item: -seconds.get(_file(item), 0))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


def _keep(config: pytest.Config, items: list[pytest.Item], kept: list[pytest.Item]) -> None:
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> bool:
    """Whether the long versions of the random tests are wanted."""
    return bool(pytestconfig.getoption("soak"))


@pytest.fixture(scope="session")
def shared_tmp(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent
