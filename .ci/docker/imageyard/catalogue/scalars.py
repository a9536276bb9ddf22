"""What a single value may say: durations, booleans, paths, repositories, addresses, as parsers of text."""

from __future__ import annotations

import re
from collections.abc import Callable

from imageyard.errors import ConfigurationError
from imageyard.names import ARCHES, known_arch, parse_reference

__all__ = [
    "ARG_LIMIT",
    "FieldFault",
    "absolute_path",
    "arch",
    "arg_value",
    "backed_up_class",
    "boolean",
    "builder_address",
    "choice",
    "context_source",
    "count",
    "duration",
    "file_of_arg",
    "file_path",
    "free_text",
    "parent_or_text",
    "pattern",
    "relative_path",
    "repository",
    "repository_file",
    "repository_folder",
    "secret_source",
    "top_path",
]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# buildx 0.29 `docs/reference/buildx_create.md`: the endpoints of the remote driver.
_ADDRESS = re.compile(
    r"(tcp://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}|(unix|docker-container|ssh|kube-pod)://\S+)"
)
ARG_LIMIT = 100_000
"""Bytes. Linux passes no single argument over 128 KiB (execve(2), MAX_ARG_STRLEN)."""


class FieldFault(ValueError):
    """What is wrong with a text, and what to write instead; the caller knows where it stands."""

    def __init__(self, headline: str, hint: str = "") -> None:
        super().__init__(headline)
        self.headline = headline
        self.hint = hint


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def free_text(text: str) -> str:
    """One line of text, not empty."""
    if not text.strip():
        raise FieldFault("the text is empty")
    if text != text.strip():
        raise FieldFault(f"{_shown(text)} begins or ends with a space", f"write {text.strip()}")
    if match := _CONTROL.search(text):
        raise FieldFault(f"the character U+{ord(match[0]):04X} cannot stand here")
    return text


def arg_value(text: str) -> str:
    """What can be passed as one `--build-arg`: any text but control characters; lines and tabs may be in it."""
    if match := _CONTROL_BUT_LINES.search(text):
        raise FieldFault(f"a build arg cannot hold the character U+{ord(match[0]):04X}")
    if len(text) > ARG_LIMIT or len(text.encode()) > ARG_LIMIT:
        raise FieldFault(f"the value is longer than the {ARG_LIMIT:,} bytes that one argument can pass")
    return text


def parent_or_text(text: str) -> str:
    """The value of a build arg, `image:NAME` for a parent, or `file:PATH` for the line of a file."""
    if text.startswith("image:") and not text[len("image:") :].strip():
        raise FieldFault("'image:' is followed by the name of a parent image")
    if path := file_of_arg(text):
        repository_file(path)
    return arg_value(text)


def file_of_arg(text: str) -> str | None:
    """The path in an arg's `file:PATH`; None for any other text, the URL `file://…` among them."""
    return text.removeprefix("file:") if text.startswith("file:") and not text.startswith("file://") else None


def duration(text: str) -> float:
    """Seconds, from a whole number and a unit: `90s`, `240m`, `2h`, `30d`."""
    match = _DURATION.fullmatch(text)
    if not match or not int(match[1]):
        hint = f"write {text}m for minutes" if re.fullmatch("[1-9][0-9]*", text) else "write it as 90s, 240m, 2h or 30d"
        raise FieldFault(f"{_shown(text)} is not a duration", hint)
    return int(match[1]) * _UNITS[match[2]]


def boolean(text: str) -> bool:
    """`yes` or `no`; `true` and `false` say the same, as editors complete them."""
    value = {"yes": True, "true": True, "no": False, "false": False}.get(text)
    if value is None:
        hint = "write yes or no" if text.lower() not in ("true", "false") else f"write {text.lower()}"
        raise FieldFault(f"{_shown(text)} is neither yes nor no", hint)
    return value


def count(text: str) -> int:
    """A whole number from 1 to 10."""
    if not re.fullmatch("[1-9]|10", text):
        raise FieldFault(f"{_shown(text)} is not a whole number from 1 to 10")
    return int(text)


def choice(*words: str) -> Callable[[str], str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in words:
            from imageyard.catalogue.suggest import did_you_mean

            one_of = f"one of {', '.join(words)}" if len(words) > 1 else repr(words[0])
            raise FieldFault(f"{_shown(text)} is not {one_of}", did_you_mean(text, words, listed=False))
        return text

    return parse


def backed_up_class(text: str) -> str:
    """A class of images that a backup may have; a backup has content alone, and all else would wait for ever."""
    if text in ("temporary", "weekly"):
        raise FieldFault(f"{text} images are never backed up: with this they would stay for ever", "leave it out")
    return choice("content")(text)


def arch(text: str) -> str:
    """An architecture, by its one name."""
    if text not in ARCHES and (known := known_arch(text)):
        raise FieldFault(f"{_shown(text)} is called {known} here", f"write {known}")
    return choice(*ARCHES)(text)


def pattern(expression: str, what: str) -> Callable[[str], str]:
    """Text of a form; `what` names the form in the error."""
    compiled = re.compile(expression)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise FieldFault(f"{_shown(text)} is not {what}")
        return text

    return parse


def relative_path(text: str) -> str:
    """A POSIX path below some folder, in its only spelling; `.` is the folder itself."""
    if not text or _CONTROL.search(text):
        raise FieldFault(f"{_shown(text)} is not a path")
    if "\\" in text:
        raise FieldFault(
            f"{_shown(text)} holds a backslash", f"write {text.replace(chr(92), '/')}" if len(text) < 80 else ""
        )
    if text.startswith("/") or re.match("[A-Za-z]:", text):
        raise FieldFault(f"{_shown(text)} is an absolute path", "write it relative to the catalogue's context")
    parts = text.split("/")
    if ".." in parts:
        hint = "count from the repository's top: /PATH, or move the files under the context"
        raise FieldFault(f"{_shown(text)} leaves the folder that it counts from", hint)
    if text != "." and (plain := [part for part in parts if part not in ("", ".")]) != parts:
        raise FieldFault(f"{_shown(text)} is not in its plain form", f"write {'/'.join(plain) or '.'}")
    if text.startswith(("-", "~")) or any(part != part.strip() for part in parts):
        raise FieldFault(f"{_shown(text)} is not a usable path")
    return text


def file_path(text: str) -> str:
    """A relative path that names a file."""
    if relative_path(text) == ".":
        raise FieldFault("'.' is a folder, not a file")
    return text


def repository_folder(text: str) -> str:
    """A folder, relative to what the field says, or from the repository's top where it begins with a slash."""
    if text.startswith("/") and text != "/":
        relative_path(text[1:])
    return text if text.startswith("/") else relative_path(text)


def repository_file(text: str) -> str:
    """A file, relative to what the field says, or from the repository's top where it begins with a slash."""
    if text.rstrip("/") in ("", "."):
        raise FieldFault(f"{_shown(text)} is a folder, not a file")
    return repository_folder(text)


def top_path(text: str) -> str:
    """A file or folder of the repository, counted from its top."""
    if not text.startswith("/"):
        relative_path(text)
        raise FieldFault(f"{_shown(text)} does not begin with a slash", f"count from the repository's top: /{text}")
    return repository_file(text)


def absolute_path(text: str) -> str:
    """A file of the machine that runs us, by absolute path."""
    if not free_text(text).startswith("/") or ".." in text.split("/"):
        raise FieldFault(f"{_shown(text)} is not an absolute path")
    return text


def repository(text: str) -> str:
    """`HOST/REPOSITORY`, without tag and digest."""
    try:
        reference = parse_reference(text)
    except ConfigurationError as error:
        raise FieldFault(error.headline, "write it as HOST/REPOSITORY") from None
    if reference.tag or reference.digest:
        raise FieldFault(f"{_shown(text)} has a tag or a digest", f"write {reference.name}")
    if reference.name != text:
        raise FieldFault(f"{_shown(text)} has no host", f"write {reference.name}, if that is meant")
    return text


def context_source(text: str) -> str:
    """Where a named build context comes from: a folder, or `docker-image://REFERENCE`."""
    scheme, found, rest = text.partition("://")
    if not found:
        return repository_folder(text)
    if scheme != "docker-image":
        raise FieldFault(
            f"{scheme[:40]}:// cannot be a build context here", "use a folder, or docker-image://REFERENCE"
        )
    try:
        parse_reference(rest)
    except ConfigurationError as error:
        raise FieldFault(error.headline) from None
    return text


def secret_source(text: str) -> str:
    """Where a secret's value is found when it is needed: `env:NAME` or `file:PATH`."""
    kind, _, name = text.partition(":")
    if kind == "env" and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        return text
    if kind == "file" and name and not _CONTROL.search(name):
        return text
    raise FieldFault("a secret's source names a variable or a file, never the value", "write env:NAME or file:PATH")


def builder_address(text: str) -> str:
    """The address of a BuildKit worker, as buildx's remote driver takes it."""
    if not _ADDRESS.fullmatch(text):
        raise FieldFault(f"{_shown(text)} is not the address of a builder", "write it as tcp://HOST:PORT")
    return text
