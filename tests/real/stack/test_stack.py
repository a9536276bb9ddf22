"""The local stack for real, in a cache folder of its own and with no engine that it could find around it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard import process
from imageyard.catalogue.lock import Lock
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks
from imageyard.keep.base_configs import base_configs
from imageyard.names import Reference
from imageyard.registry.client import Client
from imageyard.stack import bases, dockerd, local, registry, service, state
from imageyard.stack.bases_lock import read_lock
from imageyard.stack.push import push_root
from imageyard.stack.rootfs import mounts_below
from imageyard.stack.stand_ins import LocalStandIns
from imageyard.stack.state import Folders

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="starting an engine takes root, on Linux"),
]


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Folders]:
    """A stack of this test's own; what it leaves running is stopped."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setattr(bases, "hub_answers", lambda: False)
    found = Folders.of_user()
    yield found
    local.stop(Story(stream=io.StringIO()), purge=True, folders=found)
    assert not found.state.exists()


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def story(told: io.StringIO) -> Story:
    return Story(stream=told)


def docker(folders: Folders, *words: str) -> str:
    done = process.run(["docker", "--host", f"unix://{folders.socket}", *words], env={"DOCKER_HOST": ""})
    assert done.code == 0, done.complaint
    return done.text


def services(folders: Folders) -> dict[str, service.Service]:
    return state.read(folders).services


def firewall(folders: Folders) -> list[str]:
    dump = process.run(["iptables", "--list-rules", "FORWARD"]).text
    dump += process.run(["iptables", "--table", "nat", "--list-rules", "POSTROUTING"]).text
    return [line for line in dump.splitlines() if folders.bridge in line]


def leftovers(folders: Folders) -> list[object]:
    """What a stack leaves in the machine, as long as any of it is there."""
    running = [name for name, it in services(folders).items() if service.alive(it)]
    bridge = [folders.bridge] if Path("/sys/class/net", folders.bridge).exists() else []
    return [*running, *bridge, *firewall(folders), *mounts_below(folders.state), *mounts_below(folders.run)]


def test_started_twice_and_stopped_twice(folders: Folders, story: Story, told: io.StringIO) -> None:
    with pytest.raises(EnvironmentLacks, match="no engine is running"):
        local.status(story)
    local.start(story, [], "amd64")
    first = services(folders)
    assert set(first) == {"containerd", "dockerd", "registry"}
    assert docker(folders, "info", "--format", "{{.DockerRootDir}}") == str(folders.data)
    local.start(story, [], "amd64")
    assert services(folders) == first
    assert f"is running: unix://{folders.socket}" in told.getvalue()
    local.status(story)
    assert f"unix://{folders.socket}" in told.getvalue()

    port = state.read(folders).registry_port
    local.stop(story)
    assert leftovers(folders) == []
    assert not folders.run.exists()
    local.stop(story)
    assert "nothing of the local stack was running" in told.getvalue()
    local.start(story, [], "amd64")
    assert state.read(folders).registry_port == port, "bases stay where they were"


def test_an_engine_that_is_there_is_used_and_left_alone(
    folders: Folders, story: Story, told: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local.start(story, [], "amd64")
    before = services(folders)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folders.socket}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    other = Folders.of_user()
    assert other.state != folders.state
    local.start(story, [], "amd64")
    try:
        assert "is there and is used as it is" in told.getvalue()
        assert set(services(other)) == {"registry"}
        assert not other.run.exists()
    finally:
        local.stop(story, purge=True)
    assert services(folders) == before
    assert all(service.alive(it) for it in before.values())


def test_killed_services_are_started_again(folders: Folders, story: Story) -> None:
    local.start(story, [], "amd64")
    first = services(folders)
    for name in ("dockerd", "registry"):
        os.kill(first[name].pid, signal.SIGKILL)
        service.stop(first[name])
    local.start(story, [], "amd64")
    second = services(folders)
    assert all(service.alive(it) for it in second.values())
    assert not {it.pid for it in first.values()} & {it.pid for it in second.values()}
    assert docker(folders, "info", "--format", "{{.Driver}}") == "overlayfs"


def test_an_engine_that_cannot_start_says_why_and_leaves_nothing(folders: Folders, story: Story) -> None:
    folders.state.mkdir(parents=True)
    folders.data.write_text("not a folder")
    with pytest.raises(EnvironmentLacks, match="dockerd ended at once") as caught:
        local.start(story, [], "amd64")
    assert any("points to a file" in line for line in caught.value.detail)
    assert str(folders.log("dockerd")) in caught.value.hint[0]
    assert leftovers(folders) == []


def test_a_root_is_pushed_and_others_find_it(folders: Folders, tmp_path: Path) -> None:
    folders.state.mkdir(parents=True)
    it, port = registry.start(folders, None)
    try:
        tar = tmp_path / "root.tar"
        process.run(["tar", "--create", f"--file={tar}", f"--directory={tmp_path}", "--files-from=/dev/null"])
        where = f"127.0.0.1:{port}"
        digests = {push_root(where, "library/debian", f"t{n}", tar, "arm64", "2026-01-01T00:00:00Z") for n in (1, 2)}
        assert len(digests) == 1, "the same bytes are the same image"
        (digest,) = digests
        known = LocalStandIns({"arm64": Lock({"debian:t1": digest})}.__getitem__).pinned("arm64").configs[digest]
        pushed = Reference(where, "library/debian", digest=digest)
        assert base_configs(Client(credentials=lambda host: None), pushed, ["linux/arm64"]) == known
        if not (crane := shutil.which("crane")):
            pytest.skip("crane is not installed: install_test_tools")
        reference = f"{where}/library/debian:t2"
        assert process.run([crane, "digest", reference]).text == digests.pop()
        assert '"architecture":"arm64"' in process.run([crane, "config", reference]).text
        valid = process.run([crane, "validate", "--remote", reference])
        assert valid.code == 0, valid.complaint
    finally:
        service.stop(it)


def test_the_registry_takes_another_port_where_its_own_is_taken(folders: Folders) -> None:
    folders.state.mkdir(parents=True)
    first, port = registry.start(folders, None)
    try:
        second, other = registry.start(folders, port)
        service.stop(second)
        assert other != port
    finally:
        service.stop(first)


@pytest.mark.mirror
def test_a_stand_in_base_is_made_once_and_apt_works_in_it(folders: Folders, story: Story, told: io.StringIO) -> None:
    local.start(story, ["debian:trixie-slim", "ubuntu:noble"], "amd64")
    assert "ubuntu:noble: no stand-in can be made" in told.getvalue()
    digest = read_lock(state.Folders.of_user(), "amd64").get("debian:trixie-slim")
    assert digest is not None
    assert "making" in told.getvalue()
    told.truncate(0)
    local.ensure_bases(story, ["debian:trixie-slim"], "amd64")
    assert told.getvalue() == ""

    reference = str(local.served("debian:trixie-slim", digest))
    docker(folders, "pull", "--quiet", reference)
    release = docker(folders, "run", "--rm", "--network", "none", reference, "cat", "/etc/debian_version")
    assert release.startswith("13.")
    install = "apt-get update && apt-get install --yes --no-install-recommends hello && hello"
    assert "Hello, world!" in docker(folders, "run", "--rm", reference, "sh", "-c", install)
    local.stop(story)
    with pytest.raises(EnvironmentLacks, match="registry is not running"):
        local.served("debian:trixie-slim", digest)


@pytest.mark.mirror
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_base_is_made_leaves_no_mount_and_no_half(folders: Folders, how: signal.Signals) -> None:
    code = (
        "import signal, sys\n"
        "from imageyard.console import Story\n"
        "from imageyard.stack import bases, local\n"
        "bases.hub_answers = lambda: False\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "local.ensure_bases(Story(stream=sys.stdout), ['debian:trixie-slim'], 'amd64')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        for line in it.stdout:
            if "extracting packages" in line:
                it.send_signal(how)
                break
        _, complaint = it.communicate(timeout=120)
    assert it.returncode != 0
    assert "KeyboardInterrupt" in complaint
    assert mounts_below(folders.state) == []
    assert list((folders.state / "work").iterdir()) == []
    assert read_lock(state.Folders.of_user(), "amd64").pinned == {}


def test_the_version_of_no_engine(tmp_path: Path) -> None:
    assert dockerd.engine_version(tmp_path / "none.sock") is None
