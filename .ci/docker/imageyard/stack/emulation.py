"""Whether this machine runs programs of another architecture, and turning that on where it is installed."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from imageyard import process
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, as_arch

__all__ = ["ensure_emulation", "fault"]

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}


def fault(arch: Arch, entry: str | None, native: Arch) -> str | None:
    """What keeps `arch` from running, or None. `entry` is the kernel's text for its emulator, None where it has none.

    Flag F makes the kernel hold the emulator open, so that it is found inside containers too (kernel documentation,
    admin-guide/binfmt-misc).
    """
    if arch == native:
        return None
    if entry is None:
        return f"no emulator for {arch} is registered with the kernel"
    lines = entry.splitlines()
    if "enabled" not in lines:
        return f"the emulator for {arch} is registered but disabled"
    if not any("F" in line.partition(":")[2] for line in lines if line.startswith("flags")):
        return f"the emulator for {arch} is registered without flag F, so containers do not find it"
    return None


def state(arch: Arch) -> str | None:
    """What keeps `arch` from running on this machine now, or None."""
    file = _BINFMT / _QEMU[arch]
    return fault(arch, file.read_text() if file.is_file() else None, as_arch(platform.machine()))


def ensure_emulation(arch: Arch) -> None:
    """Make programs of `arch` run here: mount binfmt_misc and register the emulator, where that is still to do.

    Nothing is done, and no privilege needed, where it works already. Raises EnvironmentLacks with what to type.
    """
    if state(arch) is None:
        return
    if os.geteuid() == 0 and Path("/usr/sbin/update-binfmts").exists():
        if not (_BINFMT / "register").exists():
            process.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)])
        process.run(["/usr/sbin/update-binfmts", "--enable", _QEMU[arch]])
    if missing := state(arch):
        raise EnvironmentLacks(
            missing,
            doing=f"preparing to run {arch} programs",
            hint=[
                "nox -s install_stack    (as root: qemu-user-static and binfmt-support)",
                f"elsewhere: docker run --privileged --rm tonistiigi/binfmt --install {arch}",
            ],
        )
