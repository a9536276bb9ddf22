"""HAProxy in front of BuildKit workers: a pool of them under one address, or the end of its TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.registry.served import lacking
from support.registry.tls import Pair

_COMMON = """\
defaults
  mode tcp
  timeout connect 1s
  timeout queue 30s
  timeout client 1h
  timeout server 1h
frontend pool
  bind fd@{fd}{tls}
  default_backend workers
backend workers
  balance leastconn
  option redispatch
  retries 1
"""


@contextmanager
def haproxy(
    folder: Path,
    workers: Sequence[str],
    *,
    maxconn: int | None = None,
    server: Pair | None = None,
    clients: Path | None = None,
    late: socket.socket | None = None,
) -> Iterator[str]:
    """The address of a pool of `workers` (`HOST:PORT`), with `maxconn` connections each; `late` is its `late_port`.

    With `server` it speaks TLS, and lets in only whom the CA in the file `clients` knows where one is given.
    """
    if shutil.which("haproxy") is None:
        lacking("haproxy")
    with late or socket.create_server(("127.0.0.1", 0)) as listener:
        tls = f" ssl crt {server.both} alpn h2" if server else ""
        tls += f" ca-file {clients} verify required" if clients else ""
        limit = f" maxconn {maxconn}" if maxconn else ""
        lines = [f"  server w{number} {worker}{limit}\n" for number, worker in enumerate(workers)]
        port = listener.getsockname()[1]
        config = folder / f"haproxy-{port}.cfg"
        config.write_text(_COMMON.format(fd=listener.fileno(), tls=tls) + "".join(lines))
        log = folder / f"haproxy-{port}.log"
        argv = ["haproxy", "-db", "-q", "-f", str(config)]
        with log.open("w") as output:
            child = subprocess.Popen(argv, pass_fds=[listener.fileno()], stdout=output, stderr=output)
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        assert child.poll() is None, log.read_text()
        child.kill()
        child.wait()


def late_port() -> socket.socket:
    """A socket with a port of its own, which refuses connections until somebody listens on it."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound
