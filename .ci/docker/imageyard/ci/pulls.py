"""Which pull requests are open, as a file says: a list that is complete, or an error."""

from __future__ import annotations

import json
from pathlib import Path

from imageyard.errors import ConfigurationError

__all__ = ["from_file"]

_EXAMPLE = 'for example: [17, 23], or [{"number": 17}]'


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
