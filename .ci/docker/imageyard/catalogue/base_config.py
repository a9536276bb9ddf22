"""What the config of a base image says to a Dockerfile, and the lines of a lock file that hold it.

`sha256:DIGEST linux/amd64,linux/arm64 {"Env":["PATH=/usr/bin"],"OnBuild":["COPY . /src/"]}`: `{}` has neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.catalogue.model import Where
from imageyard.errors import ConfigurationError
from imageyard.names import Digest, parse_digest

__all__ = ["BaseConfig", "ConfigLine", "config_line", "config_lines"]

_LINE = re.compile(r"(?P<digest>sha256:[^\s@]*)(?P<gap>\s+(?P<platforms>\S+)(\s+(?P<config>\S.*?))?)?\s*")
_PLATFORM = re.compile(r"[a-z0-9]+(/[a-z0-9_.-]+){1,2}")
_FORM = 'sha256:DIGEST PLATFORM,PLATFORM {"Env":["NAME=VALUE"],"OnBuild":["INSTRUCTION"]}'
_HINT = (f"it has the form {_FORM}", "or remove the line, and: inv lock")


@dataclass(frozen=True)
class BaseConfig:
    """Of an image's config what decides how a Dockerfile is read that starts from it.

    `env` are its variables as `NAME=VALUE`, `on_build` the instructions that its child begins with.
    """

    env: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigLine:
    """A line of a lock file: the config that an image has for these platforms."""

    digest: Digest
    platforms: tuple[str, ...]
    config: BaseConfig


def config_line(line: str, file: str, number: int) -> ConfigLine | None:
    """Read a line, None for one of another kind. Raises ConfigurationError at the place where it is wrong."""
    match = _LINE.fullmatch(line)
    if not match:
        return None

    def fault(what: str, column: int) -> ConfigurationError:
        return ConfigurationError(what, at=Where(file, number, column), hint=_HINT)

    try:
        digest = parse_digest(match["digest"])
    except ConfigurationError as error:
        raise fault(error.headline, 1) from None
    platforms = tuple((match["platforms"] or "").split(","))
    if wrong := [each for each in platforms if not _PLATFORM.fullmatch(each)]:
        raise fault(f"not a platform: {wrong[0][:100]!r}", max(match.start("platforms"), 0) + 1)
    if match["config"] is None:
        raise fault("the image's config is missing", len(line) + 1)
    try:
        return ConfigLine(digest, platforms, _config(match["config"]))
    except ValueError as error:
        raise fault(f"not an image's config: {error}", match.start("config") + 1) from None


def _config(text: str) -> BaseConfig:
    """Raises ValueError with what is wrong."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    if strange := sorted(found.keys() - {"Env", "OnBuild"}):
        raise ValueError(f"it has {strange[0][:100]!r}; only Env and OnBuild count")
    for name, values in found.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"{name} is not a list of texts")
    return BaseConfig(tuple(found.get("Env", ())), tuple(found.get("OnBuild", ())))


def config_lines(digest: Digest, configs: Mapping[str, BaseConfig]) -> list[str]:
    """The lines that hold the configs of an image by platform, one for each config that is another one."""
    alike: dict[BaseConfig, list[str]] = {}
    for platform in sorted(configs):
        alike.setdefault(configs[platform], []).append(platform)
    return [f"{digest} {','.join(platforms)} {_rendered(config)}" for config, platforms in alike.items()]


def _rendered(config: BaseConfig) -> str:
    both = {"Env": config.env, "OnBuild": config.on_build}
    return json.dumps({name: value for name, value in both.items() if value}, sort_keys=True, separators=(",", ":"))
