"""Depot's control plane on this machine, for the real CLI; the builders that it hands out are the caller's.

The Connect protocol (connectrpc.com/docs/protocol, unary) with protobuf over HTTP/2 without TLS, which the CLI speaks
to an `http://` address. The messages are those of github.com/depot/cli, proto/depot/cli/v1/build.proto, as far as a
build needs them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

__all__ = ["TOKEN", "Build", "Plane", "depot_plane"]

TOKEN = "depot-token-of-the-tests"
_PLATFORMS = {1: "amd64", 2: "arm64"}
_SERVICE = "/depot.cli.v1.BuildService/"
_STATUS = {"unauthenticated": 401, "permission_denied": 403, "not_found": 404, "resource_exhausted": 429}


@dataclass
class Build:
    """A build that was created; `result` is how the CLI finished it: success, error or canceled."""

    id: str
    project: str
    push: bool
    builders: list[str] = field(default_factory=list)
    result: str | None = None
    error: str = ""


@dataclass
class Plane:
    """What the CLI finds at `url`. `refusing` maps a method to the code and the words of its error.

    `workers` maps an architecture to the address of its BuildKit; `asked` are the methods in the order of their calls.
    `knows` tells of further tokens whether they are let in.
    """

    url: str
    workers: dict[str, str]
    refusing: dict[str, tuple[str, str]] = field(default_factory=dict)
    builds: list[Build] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    knows: Callable[[str], bool] = lambda token: False

    @property
    def env(self) -> dict[str, str]:
        """What a person has in the environment who uses it."""
        return {"DEPOT_API_URL": self.url, "DEPOT_TOKEN": TOKEN}

    def answer(self, method: str, token: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        self.asked.append(method)
        known, token = {TOKEN, *(f"token-of-{build.id}" for build in self.builds)}, token.removeprefix("Bearer ")
        refused = self.refusing.get(method)
        if token not in known and not self.knows(token):
            refused = ("unauthenticated", "the token is not valid")
        handler = getattr(self, f"_{method}", None)
        if refused is None and handler is None:
            refused = ("unimplemented", f"{method} is not there")
        if refused is not None:
            code, message = refused
            return _STATUS.get(code, 503), "application/json", json.dumps({"code": code, "message": message}).encode()
        assert handler is not None
        return 200, "application/proto", handler(_fields(body))

    def _CreateBuild(self, request: Mapping[int, list[Any]]) -> bytes:  # noqa: N802
        options = _fields(request[2][0])
        project = request[1][0].decode()
        build = Build(f"build{len(self.builds) + 1}", project, bool(options.get(4)))
        self.builds.append(build)
        return b"".join(
            _text(number, text)
            for number, text in (
                (1, build.id),
                (2, f"token-of-{build.id}"),
                (5, f"{self.url}/orgs/tests/projects/{project}/builds/{build.id}"),
                (6, project),
            )
        )

    def _GetBuildKitConnection(self, request: Mapping[int, list[Any]]) -> bytes:  # noqa: N802
        arch = _PLATFORMS[request[2][0]]
        self._build(request).builders.append(arch)
        return _message(2, _text(1, self.workers[arch]) + _text(2, "localhost"))

    def _FinishBuild(self, request: Mapping[int, list[Any]]) -> bytes:  # noqa: N802
        build = self._build(request)
        build.result = next(
            name for number, name in ((2, "success"), (3, "error"), (4, "canceled")) if number in request
        )
        build.error = _fields(request[3][0])[1][0].decode() if 3 in request else ""
        return b""

    def _nothing(self, request: Mapping[int, list[Any]]) -> bytes:
        return b""

    _ReportBuildHealth = _ReportTimings = _ReportStatus = _ReportBuildContext = _nothing

    def _build(self, request: Mapping[int, list[Any]]) -> Build:
        return next(build for build in self.builds if build.id == request[1][0].decode())


@contextmanager
def depot_plane(workers: Mapping[str, str]) -> Iterator[Plane]:
    """A control plane that runs; `workers` maps architectures to addresses `tcp://HOST:PORT`."""
    listener = socket.create_server(("127.0.0.1", 0))
    plane = Plane(f"http://127.0.0.1:{listener.getsockname()[1]}", dict(workers))
    loop, over = asyncio.new_event_loop(), asyncio.Event()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server closes it
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.5
    running = serve(_app(plane), config, shutdown_trigger=over.wait)
    thread = threading.Thread(target=loop.run_until_complete, args=(running,), daemon=True)
    thread.start()
    try:
        yield plane
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=20)
        loop.close()


def _app(plane: Plane) -> Callable[..., Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        method = scope["path"].removeprefix(_SERVICE)
        status, kind, answer = plane.answer(method, headers.get("authorization", ""), body)
        fields = [(b"content-type", kind.encode()), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": answer})

    return app


# Protocol Buffers, protobuf.dev/programming-guides/encoding: varints and length-delimited fields are all there is.


def _fields(data: bytes) -> dict[int, list[Any]]:
    """The fields of a message by number: numbers as they are, texts and messages as bytes."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value  # type: ignore[assignment]
        else:
            assert key & 7 == 0, f"a field of wire type {key & 7}"
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _message(number: int, data: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(data)) + data


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())
