"""A root file system of one static program, for images that need no hub."""

from __future__ import annotations

import fcntl
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from imageyard.names import Arch
from imageyard.project.checkout import this_arch
from imageyard.stack.rootfs import debian_arch

INSTALLED = Path("/bin/busybox")


def busybox_root(shared: Path, arch: Arch | None = None) -> bytes:
    """The tar of it: busybox under all its names, and the few files that programs look for.

    `arch` None is this machine's; that of another is under the names of this machine's, which it may not run.
    """
    with (shared / "busybox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        native = binary = shared / "busybox"
        if not native.exists():
            shutil.copy(INSTALLED if _static(INSTALLED) else _download(shared / "busybox-static"), native)
        if arch not in (None, this_arch()):
            binary = shared / f"busybox-{arch}"
            if not binary.exists():
                shutil.copy(_download(shared / f"busybox-static-{arch}", arch), binary)
    names = subprocess.run([str(native), "--list"], capture_output=True, check=True).stdout.decode().split()
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode="w") as tar:
        for folder in ("bin", "etc", "root", "tmp"):
            _add(tar, folder, tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        _add(tar, "bin/busybox", content=binary.read_bytes(), mode=0o755)
        for name in sorted(set(names) - {"busybox"}):
            _add(tar, f"bin/{name}", tarfile.SYMTYPE, link="busybox")
        _add(tar, "etc/passwd", content=b"root:x:0:0:root:/root:/bin/sh\n")
    return spool.getvalue()


def _add(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    content: bytes = b"",
    mode: int = 0o644,
    link: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.size = kind, mode, link, len(content)
    tar.addfile(member, io.BytesIO(content))


def _static(binary: Path) -> bool:
    return binary.is_file() and b"/ld-linux" not in binary.read_bytes()


def _download(folder: Path, arch: Arch | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"]
    if not shutil.which("apt-get"):
        pytest.skip("no busybox-static here, and no apt-get to download it with")
    if arch:
        apt += _lists_of(folder / "apt", arch)
        subprocess.run([*apt, "update"], check=False, capture_output=True)  # one suite of several may be out of date
    subprocess.run([*apt, "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
    return next(path for path in (folder / "root").rglob("busybox") if path.is_file() and path.stat().st_size > 100_000)


def _lists_of(state: Path, arch: Arch) -> list[str]:
    """apt's options for package lists of another architecture, kept apart from the machine's own (apt.conf(5))."""
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "status").touch()
    theirs = debian_arch(arch)
    settings = [f"APT::Architecture={theirs}", f"APT::Architectures={theirs}", "Acquire::Languages=none"]
    settings += [f"Dir::State={state}", f"Dir::State::status={state / 'status'}", f"Dir::Cache={state}"]
    return [part for setting in settings for part in ("-o", setting)]
