"""The `--flags` of an instruction and the fields of `--mount`.

Modelled on BuildKit 0.25, frontend/dockerfile/instructions (bflag.go, parse.go, commands_runmount.go).
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from imageyard.recipe.dockerfile.fault import Fault, suggestion

__all__ = ["KNOWN", "Mount", "mount", "parse"]

Kind = Literal["text", "bool", "list"]

KNOWN: Mapping[str, Mapping[str, Kind]] = {
    "FROM": {"platform": "text"},
    "ADD": {
        "chown": "text", "chmod": "text", "link": "bool", "keep-git-dir": "bool", "checksum": "text", "unpack": "bool",
        "exclude": "list",
    },
    "COPY": {
        "chown": "text", "chmod": "text", "from": "text", "link": "bool", "exclude": "list", "parents": "bool",
    },
    "RUN": {"mount": "list", "network": "text", "security": "text", "device": "list"},
    "HEALTHCHECK": {
        "interval": "text", "timeout": "text", "start-period": "text", "start-interval": "text", "retries": "text",
    },
}  # fmt: skip
"""Flags by instruction, those that only the labs frontend knows included; the others take none."""
_CHOICES = {"network": ("default", "none", "host"), "security": ("sandbox", "insecure")}
_UNCHECKED = ("ARG", "STOPSIGNAL")  # BuildKit never looks at their flags
_MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_MOUNT_KEYS = (
    "type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw", "required",
    "size", "id", "sharing", "mode", "uid", "gid", "env",
)  # fmt: skip
_SAME = {"src": "source", "dst": "target", "destination": "target"}
"""Other words for a key; of several the last one counts."""
_FLAG_KEYS = ("readonly", "ro", "readwrite", "rw", "required")
_BOOL = re.compile(r"1|t|T|TRUE|true|True|0|f|F|FALSE|false|False")


def parse(keyword: str, flags: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The values of the flags by name, a bool as `true` or `false`. Raises Fault for one that BuildKit refuses."""
    if keyword in _UNCHECKED:
        return {}
    known = KNOWN.get(keyword, {})
    found: dict[str, tuple[str, ...]] = {}
    for flag in flags:
        name, equals, value = flag.partition("=")
        kind = known.get(name[2:])
        if kind is None:
            hint = suggestion(name, [f"--{each}" for each in known]) or _takes(keyword, known)
            raise Fault(f"{keyword} has no flag {name[:100]}", hint)
        if name[2:] in found and kind != "list":
            raise Fault(f"{keyword}: {name} is given twice", "remove one of them")
        if (not value) if equals and kind == "bool" else (not equals and kind != "bool"):
            raise Fault(f"{keyword}: {name} lacks its value", f"write {name}=VALUE")
        if kind == "bool":
            value = value.lower() or "true"
            if value not in ("true", "false"):
                raise Fault(f"{keyword}: {name} is true or false, not {value[:100]!r}")
        if name[2:] in _CHOICES and value not in _CHOICES[name[2:]]:
            raise Fault(f"{keyword}: {name}={value[:100]} is not known", f"use {', '.join(_CHOICES[name[2:]])}")
        found[name[2:]] = (*found.get(name[2:], ()), value)
    return found


def _takes(keyword: str, known: Mapping[str, Kind]) -> str:
    return f"{keyword} takes {', '.join(f'--{each}' for each in known)}" if known else f"{keyword} takes no flags"


@dataclass(frozen=True)
class Mount:
    """What of a `--mount` decides what a step sees."""

    type: str
    origin: str  # `from`; empty: the build context
    source: str
    secret: str = ""  # id of a secret
    required: bool = False


def mount_origin(text: str) -> str:
    """The `from` of a mount, which BuildKit reads before any substitution. Raises Fault where it holds a variable."""
    origin = ""
    for key, value in _fields(text):
        if key == "from" and value is not None:
            at = value.find("$")
            if at >= 0 and at != len(value) - 1:
                raise Fault(
                    f"--mount: from={value[:100]} cannot hold a variable",
                    "name a stage (FROM ${NAME} AS stage) and mount from that",
                )
            origin = value
    return origin


def mount(text: str, substitute: Callable[[str], str]) -> Mount:
    """Read a `--mount`. Raises Fault for what BuildKit refuses."""
    values: dict[str, str] = {"type": "bind"}
    for key, raw in _fields(text):
        if raw is None:
            if key not in _FLAG_KEYS:
                raise Fault(f"--mount: {key[:100]!r} must be KEY=VALUE", suggestion(key, _MOUNT_KEYS))
            values[key] = "true"
            continue
        value = substitute(raw)
        if key not in _MOUNT_KEYS:
            raise Fault(f"--mount has no key {key[:100]!r}", suggestion(key, _MOUNT_KEYS))
        if key == "type" and value.lower() not in _MOUNT_TYPES:
            raise Fault(f"--mount: unknown type {value[:100]!r}", suggestion(value, _MOUNT_TYPES))
        if key in _FLAG_KEYS and not _BOOL.fullmatch(value):
            raise Fault(f"--mount: {key} is true or false, not {value[:100]!r}")
        if key == "sharing" and value.lower() not in ("shared", "private", "locked"):
            raise Fault(f"--mount: unknown sharing {value[:100]!r}", "use shared, private or locked")
        values[_SAME.get(key, key)] = value.lower() if key == "type" else value
    kind = values["type"]
    _check(kind, values)
    source = values.get("source", "")
    secret = values.get("id") or source or values.get("target", "").rpartition("/")[2] if kind == "secret" else ""
    required = _BOOL.fullmatch(values.get("required", "false")) is not None and values.get("required", "f")[0] in "1tT"
    return Mount(kind, values.get("from", ""), source, secret, required)


def _check(kind: str, values: Mapping[str, str]) -> None:
    for key, kinds in (
        ("required", ("secret", "ssh")),
        ("size", ("tmpfs",)),
        ("sharing", ("cache",)),
        ("mode", ("secret", "ssh", "cache")),
        ("uid", ("secret", "ssh", "cache")),
        ("gid", ("secret", "ssh", "cache")),
    ):
        if key in values and kind not in kinds:
            raise Fault(f"--mount: {key} does not go with type={kind}", f"it goes with type={' or '.join(kinds)}")
    if kind == "secret":
        if values.get("from"):
            raise Fault("--mount: a secret has no from")
        if not any(values.get(key) for key in ("source", "target", "id")):
            raise Fault("--mount: a secret needs an id or a target", "write --mount=type=secret,id=NAME")
        if values.get("source") and values.get("id"):
            raise Fault("--mount: a secret has a source or an id, not both", "remove source")
    elif _is_root(values.get("target", "")):
        raise Fault("--mount: the target can not be /", "mount into a folder")


def _is_root(target: str) -> bool:
    return target.startswith("/") and posixpath.normpath(target) in ("/", "//")


def _fields(text: str) -> list[tuple[str, str | None]]:
    if not text:
        raise Fault("--mount is empty", "write --mount=type=bind,source=FILE,target=/PATH")
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        raise Fault(f"--mount={text[:100]} is not a list of KEY=VALUE", "separate them by commas") from None
    found: list[tuple[str, str | None]] = []
    for field in rows[0] if rows else []:
        key, equals, value = field.partition("=")
        found.append((key.lower(), value if equals else None))
    return found
