"""Who we are at a registry: the Docker configuration, its credential helpers, and nothing else."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imageyard import process
from imageyard.errors import ConfigurationError, EnvironmentLacks, Transient

__all__ = ["HUB_KEY", "Credential", "DockerConfig", "config_folder", "read_config"]

HUB_KEY = "https://index.docker.io/v1/"
"""The key under which the Docker CLI keeps Docker Hub's credentials (docker/cli, `registry.IndexServer`)."""

_HELPER = re.compile(r"[A-Za-z0-9_.-]+")
_HELPER_PATIENCE = 60.0  # seconds: a helper may ask a cloud, or a person
_HELPER_NEEDS = (
    re.compile(r"(AWS|AZURE|GOOGLE|CLOUDSDK|GCLOUD|GH|GITHUB)_[A-Z0-9_]+"),
    re.compile(r"DBUS_SESSION_BUS_ADDRESS|DISPLAY|GNUPGHOME|GPG_TTY|PASSWORD_STORE_DIR"),
)
_NOTHING = ("credentials not found", "no credentials server url", "no credentials username")
"""What helpers print where they have nothing (docker-credential-helpers, `credentials/error.go`)."""


@dataclass(frozen=True)
class Credential:
    """A user name with a password, or an identity token that is traded for access tokens."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, in every form in which it travels."""
        return tuple(value for value in (self.password, self.identity_token, self.basic) if value)

    @property
    def basic(self) -> str:
        """The value after `Basic ` (RFC 7617), empty without a password."""
        if not self.password:
            return ""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def config_folder() -> Path:
    """The folder of the Docker configuration: DOCKER_CONFIG, else `~/.docker`."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


class DockerConfig:
    """The credentials of one `config.json`, read when they are first asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = (folder or config_folder()) / "config.json"
        self._content: Mapping[str, object] | None = None

    def find(self, registry: str) -> Credential | None:
        """The credential for a registry's host, None where there is none.

        A helper named for the host comes before the general store, as in the Docker CLI; what the store lacks is
        looked for in the file. Raises ConfigurationError for a file that cannot be read, EnvironmentLacks for a
        helper that is not installed, Transient for one that fails.
        """
        helpers = self._section("credHelpers")
        helper = next((helpers[key] for key in _keys(registry) if key in helpers), None)
        if helper == "":  # the Docker CLI too takes an empty name for the file, whatever the general store
            return self._from_file(registry)
        if helper is not None:
            return _ask(helper, registry, self._file)
        store = self._load().get("credsStore")
        return (_ask(store, registry, self._file) if store else None) or self._from_file(registry)

    def _from_file(self, registry: str) -> Credential | None:
        entries = {_host(key): entry for key, entry in reversed(list(self._section("auths").items()))}
        entry = entries.get(_host(_keys(registry)[0]))
        if not isinstance(entry, dict):
            return None
        username, password = entry.get("username"), entry.get("password")
        if auth := entry.get("auth"):
            username, password = self._decode(auth, registry)
        token = entry.get("identitytoken")
        if not token and not (username and password):
            return None
        return Credential(str(username or ""), str(password or "").rstrip("\0"), str(token or ""))

    def _decode(self, auth: object, registry: str) -> tuple[str, str]:
        try:
            name, colon, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = colon = password = ""
        if not colon:
            raise ConfigurationError(
                f"{self._file}: the `auth` of {registry} is not base64 of NAME:PASSWORD",
                hint=f"docker login {registry}",
            )
        return name, password

    def _section(self, name: str) -> Mapping[str, object]:
        section = self._load().get(name) or {}
        if not isinstance(section, dict):
            raise ConfigurationError(f"{self._file}: `{name}` is not an object")
        return section

    def _load(self) -> Mapping[str, object]:
        if self._content is None:
            self._content = read_config(self._file)
        return self._content


def read_config(file: Path) -> dict[str, object]:
    """A `config.json`, empty where there is none. Raises ConfigurationError where it cannot be read."""
    try:
        content = json.loads(file.read_bytes() or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        content = {}
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} is not a JSON object", hint="mend it, or log in again")
    return content


def _keys(registry: str) -> tuple[str, ...]:
    """Under which names a host's credentials are kept."""
    if registry in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return (HUB_KEY, "index.docker.io", "docker.io")
    return (registry, f"https://{registry}")


def _host(key: str) -> str:
    """The host of a key of `auths`: older clients wrote URLs."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def _ask(helper: object, registry: str, file: Path) -> Credential | None:
    """Ask `docker-credential-HELPER get`, the server on standard input, JSON back (docker-credential-helpers)."""
    name = str(helper)
    if not _HELPER.fullmatch(name):
        raise ConfigurationError(f"{file}: {name[:50]!r} is not the name of a credential helper")
    program = process.find(f"docker-credential-{name}", hint=f"install it, or take `{name}` out of {file}")
    extra = {key: value for key, value in os.environ.items() if any(form.fullmatch(key) for form in _HELPER_NEEDS)}
    doing = f"asking docker-credential-{name} for the credentials of {registry}"
    try:
        done = process.run([program, "get"], stdin=_keys(registry)[0].encode(), env=extra, timeout=_HELPER_PATIENCE)
    except TimeoutError:
        raise Transient(f"docker-credential-{name} did not answer in {_HELPER_PATIENCE:.0f} s", doing=doing) from None
    if done.code != 0:
        if any(words in done.text.lower() for words in _NOTHING):
            return None
        raise EnvironmentLacks(f"docker-credential-{name} failed with exit code {done.code}", doing=doing)
    try:
        answer = json.loads(done.out)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EnvironmentLacks(f"docker-credential-{name} did not answer in its JSON", doing=doing) from None
    if username == "<token>":
        return Credential(identity_token=secret)
    return Credential(username, secret) if secret else None
