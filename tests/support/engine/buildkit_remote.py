"""An engine's BuildKit behind a TCP address, as a pool of remote builders has it.

dockerd speaks BuildKit's gRPC on `POST /grpc` with `Upgrade: h2c` (moby 28, daemon/server/router/grpc).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["remote_buildkit"]

_HELLO = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@contextmanager
def remote_buildkit(socket_path: str, bound: socket.socket | None = None) -> Iterator[str]:
    """The address of a worker that is the engine at `socket_path`: `tcp://127.0.0.1:PORT`.

    `bound` is a socket that has its port already, and begins to listen here.
    """
    with bound or socket.socket() as listener:
        if bound is None:
            listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        thread = threading.Thread(target=_accept, args=(listener, socket_path), daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


def _accept(listener: socket.socket, socket_path: str) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(near, socket_path), daemon=True).start()


def _serve(near: socket.socket, socket_path: str) -> None:
    with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):  # an engine that is gone
        far.connect(socket_path)
        far.sendall(_HELLO)
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (piece := far.recv(4096)):
                return
            answer += piece
        near.sendall(answer.partition(b"\r\n\r\n")[2])
        back = threading.Thread(target=_pass, args=(far, near), daemon=True)
        back.start()
        _pass(near, far)
        back.join(timeout=10)


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
