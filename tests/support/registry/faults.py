"""A proxy in front of a registry that breaks chosen requests in the ways that networks and proxies do."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Kind = Literal["status", "hang", "reset", "truncate", "cut", "omit", "corrupt", "swap", "drip", "slow", "lost"]


@dataclass
class Fault:
    """What happens to requests whose `METHOD PATH` matches, for the first `times` of them (None: all).

    `cut` ends the answer in its middle, and says that this is its length; `omit` takes the first entry out of a listing
    of S3; `corrupt` flips a bit of the byte number `at`, of the last one unless told; `slow` waits in the middle of an
    answer, and `drip` after each byte of it.
    """

    where: str
    kind: Kind = "status"
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int | None = None
    at: int = -1


HTML = b"<!DOCTYPE html><html><title>Welcome to the company network</title></html>"


class Answer:
    """What goes back to the client: from the registry, from a fault, or from a subclass of the proxy."""

    def __init__(self, status: int, headers: Mapping[str, str] | list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = list(headers.items()) if isinstance(headers, Mapping) else headers
        self.body = body


class Proxy(ThreadingHTTPServer):
    """Forwards to `upstream` (`HOST:PORT`), keeps `METHOD PATH` of all requests and their headers, applies `faults`."""

    daemon_threads = True

    def __init__(self, upstream: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.log: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()
        self.pause = 0.05  # seconds between two bytes of a `drip`
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def requests(self, where: str) -> list[str]:
        return [line for line, _ in self.log if re.search(where, line)]

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        """An answer that does not come from the registry; subclasses have some."""
        return None

    def fault_for(self, line: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.where, line):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        assert self.upstream
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            connection.request(handler.command, handler.path, body or None, dict(handler.headers.items()))
            response = connection.getresponse()
            kept = [(k, v) for k, v in response.getheaders() if k.lower() not in ("transfer-encoding", "connection")]
            content = response.read()
        finally:
            connection.close()
        if handler.command != "HEAD" and not any(k.lower() == "content-length" for k, _ in kept):
            kept.append(("Content-Length", str(len(content))))
        return Answer(response.status, kept, content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # engines try TLS first, and go on where they get an answer in HTTP
    disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait for the client's ACK
    server: Proxy

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        self.server.log.append((line, {name.lower(): value for name, value in self.headers.items()}))
        fault = self.server.fault_for(line)
        if fault and fault.kind == "hang":
            self.server.ended.wait(60)
            self.close_connection = True
        elif fault and fault.kind in ("reset", "lost"):
            if fault.kind == "lost":  # done, and the answer never arrives
                self.server.forward(self, body)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
        elif fault and fault.kind == "status":
            self._send(Answer(fault.status, {"Content-Length": str(len(fault.body)), **fault.headers}, fault.body))
        else:
            self._send(self.server.own(self, body) or self.server.forward(self, body), fault)

    def _send(self, answer: Answer, fault: Fault | None = None) -> None:
        body = answer.body
        if fault and fault.kind == "corrupt" and body:
            at = fault.at % len(body)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        if fault and fault.kind in ("cut", "omit"):
            first, _, rest = body.partition(b"<Contents>")
            body = body[: len(body) // 2] if fault.kind == "cut" else first + rest.partition(b"</Contents>")[2]
            answer.headers = [(k, v) for k, v in answer.headers if k.lower() != "content-length"]
            answer.headers.append(("Content-Length", str(len(body))))
        if fault and fault.kind == "swap":
            body = fault.body
            drop = ("content-length", "docker-content-digest")
            answer.headers = [(k, v) for k, v in answer.headers if k.lower() not in drop]
            answer.headers += [("Content-Length", str(len(body))), *fault.headers.items()]
        with suppress(ConnectionError):
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault and fault.kind == "drip":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if self.server.ended.wait(self.server.pause):
                        break
            elif fault and fault.kind == "slow":
                self.wfile.write(body[: len(body) // 2])
                self.server.ended.wait(0.1)
                self.wfile.write(body[len(body) // 2 :])
            elif fault and fault.kind == "truncate":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def handle(self) -> None:
        with suppress(ConnectionError, ValueError, OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(ConnectionError, ValueError, OSError):
            super().finish()


@contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """Serve until the block ends."""
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ended.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()
