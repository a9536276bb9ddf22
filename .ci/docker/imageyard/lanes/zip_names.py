"""The names of a zip archive's entries: which ones mean the same path, and no other path, on every file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from imageyard.lanes.refusal import FileRefused

__all__ = ["check_names"]

_LONGEST = 240
"""Bytes of a path: Windows takes 260 characters with the folder above it (learn.microsoft.com, "Naming Files")."""
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?", re.IGNORECASE)
"""What Windows takes for a device, in every folder and with every extension (the same page)."""
_HINT = "build the wheel again from a tree whose paths are plain: letters, digits, `._-`, and `/` in between"


def check_names(names: Iterable[str]) -> None:
    """Refuse names that lead out of the folder, and those that are one path on some file system and two on another.

    A name that ends with `/` is a folder. Raises FileRefused.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        _check(name)
        key = _key(name)
        if key in files:
            raise _collision(files[key], name)
        files[key] = name
        parts = key.split("/")
        spelled = name.split("/")
        for depth in range(1, len(parts)):
            path = "/".join(spelled[:depth])
            earlier = folders.setdefault("/".join(parts[:depth]), path)
            if earlier != path:
                raise _collision(earlier, path)
    for key, path in folders.items():
        if key in files:
            raise FileRefused("name-collision", f"{path!r} is a file and a folder", hint=_HINT)


def _collision(earlier: str, name: str) -> FileRefused:
    if earlier == name:
        return FileRefused("name-twice", f"the archive has two entries {name!r}", hint=_HINT)
    return FileRefused("name-collision", f"{earlier!r} and {name!r} are one path where case does not count", hint=_HINT)


def _key(name: str) -> str:
    """What is equal where a file system folds case, and composes or decomposes accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _check(name: str) -> None:
    if why := _fault(name):
        raise FileRefused("name", f"the entry {name[:_LONGEST]!r} {why}", hint=_HINT)
    if len(name.encode()) > _LONGEST:
        raise FileRefused("name", f"the entry {name[:60]!r}... has a name of more than {_LONGEST} bytes", hint=_HINT)


def _fault(name: str) -> str:
    if not name.isprintable() or not name:
        return "has no name that can be printed"
    if "\\" in name:
        return "has a backslash, which Windows takes for a folder"
    if name.startswith("/"):
        return "has a path from the root"
    if any(character in name for character in ':*?"<>|'):
        return "has a character that Windows takes for a drive or a pattern"
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has a path that leads elsewhere than its text"
    if any(part != part.strip() or part.endswith(".") for part in parts):
        return "has a space or a full stop at an end, which Windows drops"
    if any(map(_DEVICES.fullmatch, parts)):
        return "has the name of a device on Windows"
    return ""
