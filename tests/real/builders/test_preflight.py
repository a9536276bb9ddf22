"""What is said of a worker before buildx is started: its name, its port, and every way in which TLS goes wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from imageyard.builders import remote
from imageyard.builders.preflight import check
from imageyard.builders.request import BuildRequest
from imageyard.builders.worker import Worker
from imageyard.console import Story
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError
from support.engine.buildkit_remote import remote_buildkit
from support.engine.haproxy import haproxy, late_port
from support.engine.private import PrivateEngine
from support.registry.tls import Authority

pytestmark = pytest.mark.engine


class Site:
    """A worker behind TLS that wants client certificates, a plain one, and the files of two authorities."""

    def __init__(self, folder: Path, plain: str, stack: ExitStack) -> None:
        self.folder, self.plain = folder, plain
        self.ours, self.others = Authority(folder, "ours"), Authority(folder, "others")
        self.client, self.stranger = self.ours.issue("client.test"), self.others.issue("client.test")
        target = [plain.removeprefix("tcp://")]

        def front(*names: str, expired: bool = False) -> str:
            pair = self.ours.issue(*names, expired=expired)
            return stack.enter_context(haproxy(folder, target, server=pair, clients=self.ours.ca))

        self.right, self.expired, self.named = front("127.0.0.1"), front("127.0.0.1", expired=True), front("pool.test")

    def tls(self, **changed: str | None) -> dict[str, str]:
        """What a right worker's files are, with changes; None takes one away."""
        given = {"ca": str(self.ours.ca), "cert": str(self.client.cert), "key": str(self.client.key), **changed}
        return {name: value for name, value in given.items() if value is not None}


@pytest.fixture(scope="module")
def site(docker_engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        plain = stack.enter_context(remote_buildkit(docker_engine.host.removeprefix("unix://")))
        yield Site(tmp_path_factory.mktemp("tls"), plain, stack)


def test_a_worker_that_is_right(site: Site) -> None:
    assert check(Worker(site.right, tls=site.tls())) is None
    assert check(Worker(site.named, tls=site.tls(servername="pool.test"))) is None
    assert check(Worker(site.plain, insecure=True)) is None
    assert check(Worker(f"unix://{site.folder}/not-looked-at.sock")) is None


def wrong(site: Site) -> dict[str, tuple[Worker, type[ImageyardError], str]]:
    """Each way to be wrong, the error, and what it says."""
    empty = site.folder / "empty.pem"
    empty.write_text("")
    other = {"cert": str(site.stranger.cert), "key": str(site.stranger.key)}
    return {
        "plain tcp that nobody allowed": (Worker(site.plain), ConfigurationError, "would be plain tcp"),
        "no address": (Worker("tcp://host:99999", insecure=True), ConfigurationError, "is not the address"),
        "no CA": (Worker(site.right, tls={"servername": "x"}), ConfigurationError, "no CA is named"),
        "half a pair": (Worker(site.right, tls=site.tls(key=None)), ConfigurationError, "go together"),
        "a relative path": (Worker(site.right, tls=site.tls(ca="ca.pem")), ConfigurationError, "not an absolute path"),
        "a file that is missing": (
            Worker(site.right, tls=site.tls(ca=f"{site.folder}/nowhere.pem")), EnvironmentLacks,
            "nowhere.pem: No such file or directory",
        ),
        "a file without a certificate": (
            Worker(site.right, tls=site.tls(ca=str(empty))), EnvironmentLacks, "tls.ca has no certificate",
        ),
        "a key of another certificate": (
            Worker(site.right, tls=site.tls(key=other["key"])), EnvironmentLacks, "key values mismatch",
        ),
        "no such host": (
            Worker("tcp://no-such-host.invalid:1234", insecure=True), EnvironmentLacks,
            "there is no host no-such-host.invalid",
        ),
        "a CA that did not sign it": (
            Worker(site.right, tls=site.tls(ca=str(site.others.ca))), EnvironmentLacks, "from an unknown CA",
        ),
        "expired": (Worker(site.expired, tls=site.tls()), EnvironmentLacks, "has expired"),
        "for another name": (Worker(site.named, tls=site.tls()), EnvironmentLacks, "not for 127.0.0.1"),
        "for another servername": (
            Worker(site.right, tls=site.tls(servername="pool.test")), EnvironmentLacks, "not for pool.test",
        ),
        "plain against TLS": (Worker(site.right, insecure=True), EnvironmentLacks, "it speaks TLS"),
        "TLS against plain": (Worker(site.plain, tls=site.tls()), EnvironmentLacks, "it does not speak TLS"),
        "no client certificate": (
            Worker(site.right, tls=site.tls(cert=None, key=None)), EnvironmentLacks, "it wants a client certificate",
        ),
        "a stranger's certificate": (
            Worker(site.right, tls=site.tls(**other)), EnvironmentLacks, "it refuses our client certificate",
        ),
    }  # fmt: skip


WAYS = 17


@pytest.mark.parametrize("number", range(WAYS))
def test_what_waiting_cannot_mend(site: Site, number: int, tmp_path: Path) -> None:
    """Told at once, with the address and what to do, and before buildx is started: there is none here."""
    ways = wrong(site)
    assert len(ways) == WAYS
    worker, error, words = list(ways.values())[number]
    with pytest.raises(error) as caught:
        remote.build(
            BuildRequest(tmp_path, tmp_path / "Dockerfile", "linux/amd64"), worker,
            program=str(tmp_path / "no-buildx"), board=None, raw=tmp_path / "raw", story=Story(),  # type: ignore[arg-type]
        )  # fmt: skip
    told = str(caught.value)
    assert words in told
    assert worker.address in told
    assert caught.value.hint
    assert type(caught.value) is error


def test_what_may_become_right(site: Site, tmp_path: Path) -> None:
    with late_port() as bound:
        late = "{}:{}".format(*bound.getsockname())
        assert check(Worker(f"tcp://{late}", insecure=True)) == "connection refused"
        assert check(Worker(f"tcp://{late}", tls=site.tls())) == "connection refused"
        with haproxy(tmp_path, [late]) as empty:
            assert check(Worker(empty, insecure=True)) is None  # it takes the connection, whoever is behind it
            assert check(Worker(empty, tls=site.tls())) == "the connection was closed"


def test_one_connection_that_is_closed_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert check(Worker(f"tcp://127.0.0.1:{listener.getsockname()[1]}", insecure=True)) is None
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as said:
            assert said.read().startswith(b"PRI * HTTP/2.0")  # and then it ended
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
