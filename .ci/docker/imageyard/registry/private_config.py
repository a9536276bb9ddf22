"""A Docker configuration of one's own: a folder that only its owner can read, which starts as the user's."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from imageyard.errors import ConfigurationError, EnvironmentLacks, refused_by_system
from imageyard.files import atomic_write
from imageyard.registry.credentials import Credential, read_config

__all__ = ["PrivateConfig"]

_FILE = "config.json"
_CREDENTIALS = ("auths", "credHelpers", "credsStore")


class PrivateConfig:
    """The folder for DOCKER_CONFIG: its `config.json` and, as links, whatever else the user's folder has.

    Proxies, helpers and credentials for other hosts stay; CLI plugins, contexts and builders are found through the
    links. Nothing of the user's folder is written. What the file held before is there until the first `store` or
    `write`, for builds of another terminal.
    """

    def __init__(self, folder: Path, base: Path, *, credentials: bool = True) -> None:
        """Make `folder` as a copy of `base`, or go on with it where both are the same; `credentials`: with those in it.

        Raises EnvironmentLacks where it cannot be made or is not ours, ConfigurationError where `base` cannot be read.
        """
        self.folder = folder
        self._content = read_config(base / _FILE)
        for key in () if credentials else _CREDENTIALS:
            self._content.pop(key, None)
        _make(folder)
        if base.resolve() != folder.resolve():
            _link_others(folder, base)

    def store(self, host: str, credential: Credential) -> None:
        """Keep a credential for a host, before any helper that the user has for it or for all."""
        auths, helpers = self._section("auths"), self._section("credHelpers")
        for key in [key for key in (*auths, *helpers) if key.partition("://")[2].partition("/")[0] == host]:
            auths.pop(key, None)  # URLs, as older clients wrote them, are asked before the bare host by some
            helpers.pop(key, None)
        auths[host] = {"auth": credential.basic}
        helpers.pop(host, None)
        if self._content.get("credsStore"):
            helpers[host] = ""  # docker/cli, `getConfiguredCredentialStore`: no helper here, so the file
        self._content["auths"] = auths
        if helpers or "credHelpers" in self._content:
            self._content["credHelpers"] = helpers
        self.write()

    def keep(self, name: str, text: str) -> Path:
        """Write another file that only its owner can read; returns its path."""
        atomic_write(self.folder / name, text, mode=0o600)
        return self.folder / name

    def _section(self, name: str) -> dict[str, object]:
        section = self._content.get(name) or {}
        if not isinstance(section, Mapping):
            raise ConfigurationError(f"the Docker configuration's `{name}` is not an object")
        return dict(section)

    def write(self) -> None:
        """Write `config.json` as it is now."""
        self.keep(_FILE, json.dumps(self._content, indent=2) + "\n")


def _make(folder: Path) -> None:
    """A folder of ours with mode 0700: a link, or one that is another's, could be read by others or be theirs."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EnvironmentLacks(f"{folder} is not a folder of this user", hint=f"rm -r {folder}")
        folder.chmod(0o700)
    except OSError as error:
        raise refused_by_system(error) from None


def _link_others(folder: Path, base: Path) -> None:
    """A link for everything in `base` but its `config.json`; links to what is gone are taken away."""
    try:
        for old in folder.iterdir():
            if old.is_symlink() and not old.exists():
                old.unlink(missing_ok=True)
        for entry in base.iterdir() if base.is_dir() else ():
            if entry.name != _FILE:
                with suppress(FileExistsError):  # from a login before, or from one at the same time
                    (folder / entry.name).symlink_to(entry.resolve())
    except OSError as error:
        raise refused_by_system(error) from None
