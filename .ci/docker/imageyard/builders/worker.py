"""Where a remote BuildKit worker answers, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from imageyard.errors import ConfigurationError, EnvironmentLacks

__all__ = ["TLS_FILES", "Worker", "validate"]

TLS_FILES = ("ca", "cert", "key")


@dataclass(frozen=True)
class Worker:
    """A worker's address as buildx's remote driver takes it, `tls` with `ca`, `cert`, `key` and `servername`.

    `insecure` admits plain tcp; `connect_timeout` is in seconds of wall clock.
    """

    address: str
    insecure: bool = False
    tls: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: float = 7200.0

    @property
    def is_tcp(self) -> bool:
        """Whether it is reached over the network by ourselves, not through a socket or another program."""
        return self.address.startswith("tcp://")

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of a `tcp://` address. Raises ConfigurationError where it has none."""
        try:
            parts = urlsplit(self.address)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not port:
            raise ConfigurationError(
                f"{self.address} is not the address of a builder", hint="write it as tcp://HOST:PORT"
            )
        return host, port


def validate(worker: Worker) -> None:
    """Look at what can be seen without a connection.

    Raises ConfigurationError for plain tcp that nobody allowed and for TLS settings that contradict each other,
    EnvironmentLacks for TLS files that cannot be read.
    """
    if not worker.is_tcp:
        return
    _ = worker.endpoint
    doing = f"preparing to build on {worker.address}"
    if not worker.tls:
        if not worker.insecure:
            raise ConfigurationError(
                f"{worker.address} would be plain tcp, which anybody on the way can read and change",
                doing=doing,
                hint=(
                    "name the files of its TLS: builders: {remote: {tls: {ca: /FILE, cert: /FILE, key: /FILE}}}",
                    "or, where the network is trusted: builders: {remote: {insecure: yes}}",
                ),
            )
        return
    if "ca" not in worker.tls:  # buildx 0.29: `tls enabled, but missing keys cacert`
        raise ConfigurationError(
            f"no CA is named for {worker.address}", doing=doing, hint="add to the catalogue's tls: ca: /FILE"
        )
    if ("cert" in worker.tls) != ("key" in worker.tls):
        raise ConfigurationError(
            "cert and key of a remote builder go together", doing=doing, hint="name both, or neither"
        )
    for name in TLS_FILES:
        if path := worker.tls.get(name):
            _readable(name, path, doing)


def _readable(name: str, path: str, doing: str) -> None:
    if not Path(path).is_absolute():
        raise ConfigurationError(
            f"tls.{name} of the remote builder is not an absolute path: {path}",
            doing=doing,
            hint="write it from the root on: /FILE",
        )
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise EnvironmentLacks(
            f"tls.{name} of the remote builder: {path}: {error.strerror}", doing=doing, hint=f"ls -l {path}"
        ) from None
