"""Which pull requests are open: a list that is complete, or an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from imageyard.ci.providers.github.api import Api
from imageyard.errors import ConfigurationError, Transient

__all__ = ["from_file", "is_open", "open_pulls"]

_EXAMPLE = 'for example: [17, 23], or [{"number": 17}]'


def open_pulls(api: Api) -> frozenset[int]:
    """The numbers of the open pull requests, from all pages. Raises as the API does: half a list is none.

    A request that is closed while pages are read moves the ones behind it to pages that were read already; the oldest
    come first, and whoever acts on the list asks `is_open` again for what it lacks.
    """
    found = set()
    for one in api.every("pulls", state="open", sort="created", direction="asc"):
        number = one.get("number") if isinstance(one, Mapping) else None
        if not isinstance(number, int):
            raise Transient("GitHub answered with a pull request without a number", doing="listing the open ones")
        found.add(number)
    return frozenset(found)


def is_open(api: Api, number: int) -> bool:
    """Whether a pull request is open. Raises as the API does."""
    found = api.ask("GET", f"pulls/{number}")
    state = found.get("state") if isinstance(found, Mapping) else None
    if state not in ("open", "closed"):
        raise Transient(f"GitHub does not say whether pull request {number} is open", doing="asking GitHub")
    return bool(state == "open")


def from_file(path: Path) -> frozenset[int]:
    """The numbers in a JSON list of them, or of objects with a `number`, such as `gh pr list --json number` prints.

    Raises ConfigurationError for anything else: an empty file is no empty list.
    """
    try:
        listed = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}", hint=_EXAMPLE) from None
    wrong = ConfigurationError(f"{path} is no list of pull requests", hint=_EXAMPLE)
    if not isinstance(listed, list):
        raise wrong
    found = set()
    for one in listed:
        number = one.get("number") if isinstance(one, dict) else one
        if type(number) is not int or number < 1:  # True is an int to isinstance
            raise wrong
        found.add(number)
    return frozenset(found)
