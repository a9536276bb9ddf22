"""What the stack writes and reads: configurations, its own memory, the root of a base image."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from imageyard.catalogue import lock
from imageyard.names import ARCHES, Arch, Digest
from imageyard.stack import bases, bases_lock, dockerd, emulation, registry, rootfs, state
from imageyard.stack.apt import Mirror
from imageyard.stack.service import Service
from imageyard.stack.state import Folders, State

DIGEST = Digest("sha256:" + "a" * 64)
ENTRY = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: {}\noffset 0\n"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "state", Path("/run/imageyard-0123abcd"))


def test_an_engine_apart_from_every_other(folders: Folders) -> None:
    config = json.loads(dockerd.dockerd_config(folders))
    own = {name: config[name] for name in ("data-root", "exec-root", "pidfile", "containerd")}
    assert all(path.startswith((str(folders.state), str(folders.run))) for path in own.values())
    assert len(set(own.values())) == len(own)
    assert config["hosts"] == ["unix:///run/imageyard-0123abcd/docker.sock"]
    assert config["bridge"] == "iy-0123abcd"
    assert config["iptables"] is False
    assert config["features"] == {"containerd-snapshotter": True}
    assert config["containerd"] in dockerd.containerd_config(folders)


def test_folders_of_two_caches_share_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b" * 200):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        found.append(Folders.of_user())
    assert found[0].state == tmp_path / "a" / "imageyard" / "stack"
    for one, other in zip(
        (found[0].state, found[0].socket, found[0].bridge),
        (found[1].state, found[1].socket, found[1].bridge),
        strict=True,
    ):
        assert one != other
    assert len(os.fsencode(found[1].socket)) < 108
    assert len(found[1].bridge) <= 15


def test_what_is_remembered_comes_back(folders: Folders) -> None:
    known = State({"dockerd": Service(12, 345)}, "172.29.0.0/24", 5000)
    assert state.read(folders) == State()
    with state.changing(folders):
        state.write(folders, known)
    assert state.read(folders) == known


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"services": {"dockerd": {"pid": 1}}}', '{"services": 3}'])
def test_a_damaged_memory_is_as_good_as_none(folders: Folders, text: str) -> None:
    folders.state.mkdir()
    (folders.state / "stack.json").write_text(text)
    assert state.read(folders) == State()


@pytest.mark.parametrize(
    ("log", "port"),
    [
        (b'time="x" level=info msg="listening on 127.0.0.1:36357" go.version=go1.19', 36357),
        (b'level=info msg="redis not configured"\n', None),
        (b"", None),
    ],
)
def test_the_port_that_the_registry_took(log: bytes, port: int | None) -> None:
    assert registry.listening_port(log) == port


def test_the_registry_listens_on_loopback_only(folders: Folders) -> None:
    assert "http: {addr: '127.0.0.1:0'}" in registry.config(folders, 0)


@pytest.mark.parametrize(
    ("arch", "entry", "fault"),
    [
        ("amd64", None, None),
        ("arm64", None, "no emulator"),
        ("arm64", ENTRY.format("PF"), None),
        ("arm64", ENTRY.format("OCF"), None),
        ("arm64", ENTRY.format("P"), "without flag F"),
        ("arm64", ENTRY.format("PF").replace("enabled", "disabled"), "disabled"),
    ],
)
def test_whether_an_architecture_runs_here(arch: Arch, entry: str | None, fault: str | None) -> None:
    found = emulation.fault(arch, entry, native="amd64")
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_every_architecture_has_an_emulator_and_a_name_at_debian() -> None:
    """wiki.debian.org, "SupportedArchitectures"; Debian's qemu-user-static has an emulator for each."""
    assert {arch: rootfs.debian_arch(arch) for arch in ARCHES} == {
        **{arch: arch for arch in ("amd64", "arm64", "i386", "s390x", "riscv64", "loong64")},
        "armv7": "armhf",
        "armv6": "armel",
        "ppc64le": "ppc64el",
    }
    assert set(emulation.EMULATORS) == set(ARCHES)


@pytest.mark.parametrize("native", ["amd64", "arm64", "armv7"])
def test_which_architectures_take_an_emulator(native: Arch) -> None:
    own = {"amd64": {"amd64", "i386"}, "arm64": {"arm64"}, "armv7": {"armv7", "armv6"}}[native]
    assert {arch for arch in ARCHES if emulation.fault(arch, None, native) is None} == own


@pytest.mark.parametrize(
    ("ref", "suite", "makeable"),
    [
        ("debian:trixie-slim", "trixie", True),
        ("debian:bookworm", "bookworm", True),
        ("docker.io/library/debian:trixie-slim", "trixie", True),
        ("debian:12", None, True),
        ("debian", None, True),
        ("debian:latest", None, True),
        ("ubuntu:noble", None, True),
        ("python:3.13", None, True),
        ("ghcr.io/library/debian:trixie", None, False),
        (f"debian:trixie@{DIGEST}", None, False),
    ],
)
def test_which_bases_a_mirror_can_give(ref: str, suite: str | None, makeable: bool) -> None:
    assert bases.suite_of(ref) == suite
    assert bases.makeable(ref) is makeable


def test_a_stand_in_is_served_by_digest() -> None:
    assert str(bases.served("debian:trixie-slim", DIGEST, 5000)) == f"127.0.0.1:5000/library/debian@{DIGEST}"


def test_each_architecture_has_its_own_lock(folders: Folders) -> None:
    assert bases_lock.read_lock(folders, "amd64").pinned == {}
    bases_lock.lock_file(folders, "arm64").parent.mkdir(parents=True)
    lock.rewrite(bases_lock.lock_file(folders, "arm64"), "debian:trixie-slim", DIGEST, "2026-01-01")
    assert bases_lock.read_lock(folders, "arm64").get("debian:trixie-slim") == DIGEST
    assert bases_lock.read_lock(folders, "amd64").pinned == {}


def test_apt_in_a_base_uses_the_machines_mirror() -> None:
    text = rootfs.sources_text("trixie", Mirror("http://m.example/debian", "/own.gpg"), Mirror("http://s.example/sec"))
    assert text == (
        "Types: deb\nURIs: http://m.example/debian\nSuites: trixie trixie-updates\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "\n"
        "Types: deb\nURIs: http://s.example/sec\nSuites: trixie-security\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    assert rootfs.sources_text("trixie", Mirror("http://m.example/debian"), None).count("Types") == 1


def a_root(top: Path, *, later: bool) -> Path:
    """What debootstrap leaves, as far as it matters here; `later` is a second run."""
    lists = top / "var/lib/apt/lists"
    texts = {
        "bin/sh": "shell",
        "etc/hostname": f"host{later}",
        "etc/passwd-": f"backup{later}",
        "etc/apt/sources.list": "deb http://m.example/debian trixie main",
        "usr/share/doc/bash/copyright": "licence",
        "usr/share/doc/bash/changelog.gz": "news",
        "usr/share/man/man1/bash.1": "page",
        "usr/share/locale/locale.alias": "alias",
        "usr/share/locale/de/x.mo": "text",
        "var/log/dpkg.log": f"installed{later}",
        "var/cache/apt/archives/bash.deb": "deb",
        "dev/null-like": "device",
        "var/lib/apt/lists/m.example_dists_trixie_Release": "Origin: x\nDate: Sat, 15 Mar 2025 09:32:00 UTC\n",
    }
    for name in sorted(texts, reverse=later):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[name])
    assert lists.is_dir()
    return top


def test_two_runs_give_one_tar(tmp_path: Path) -> None:
    tars = []
    for later in (False, True):
        root = a_root(tmp_path / f"root{later}", later=later)
        date = rootfs.release_date(root)
        rootfs.slim(root)
        tars.append(tmp_path / f"{later}.tar")
        rootfs.pack(root, tars[-1], date)
    assert date == "2025-03-15T09:32:00Z"
    assert tars[0].read_bytes() == tars[1].read_bytes()
    with tarfile.open(tars[0]) as tar:
        files = {member.name for member in tar if member.isfile()}
        owners = {(member.uid, member.mtime <= 1742031120) for member in tar}
    assert files == {"./bin/sh", "./usr/share/doc/bash/copyright", "./usr/share/locale/locale.alias"}
    assert owners == {(os.getuid(), True)}


def test_mounts_of_others_are_left_alone(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("36 35 98:0 / /somewhere/else rw,noatime shared:1 - ext4 /dev/root rw\n")
    assert rootfs.mounts_below(tmp_path, table) == []


def test_mounts_below_a_folder_come_innermost_first(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    inner, beside = tmp_path / "a b" / "proc", Path(f"{tmp_path}-other")
    lines = [tmp_path, inner, inner / "sys", beside]
    table.write_text("".join(f"1 2 0:1 / {str(p).replace(' ', chr(92) + '040')} rw - x y z\n" for p in lines))
    assert rootfs.mounts_below(tmp_path, table) == [str(inner / "sys"), str(inner), str(tmp_path)]
