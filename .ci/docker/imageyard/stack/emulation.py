"""Whether this machine runs programs of another architecture, and turning that on where it is installed."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from imageyard import process
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, as_arch, platform_of

__all__ = ["EMULATORS", "ensure_emulation", "fault"]

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
EMULATORS: Mapping[Arch, str] = {
    "amd64": "qemu-x86_64",
    "arm64": "qemu-aarch64",
    "i386": "qemu-i386",
    "armv7": "qemu-arm",
    "armv6": "qemu-arm",
    "ppc64le": "qemu-ppc64le",
    "s390x": "qemu-s390x",
    "riscv64": "qemu-riscv64",
    "loong64": "qemu-loongarch64",
}
"""The emulators by the names under which Debian's qemu-user-static registers them."""
_RUN_BY: Mapping[Arch, tuple[Arch, ...]] = {"amd64": ("i386",), "armv7": ("armv6",)}
"""What a machine runs beside its own programs. Not every arm64 runs those of armv7: there the kernel is asked."""


def fault(arch: Arch, entry: str | None, native: Arch) -> str | None:
    """What keeps `arch` from running, or None. `entry` is the kernel's text for its emulator, None where it has none.

    Flag F makes the kernel hold the emulator open, so that it is found inside containers too (kernel documentation,
    admin-guide/binfmt-misc).
    """
    if arch == native or arch in _RUN_BY.get(native, ()):
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
    file = _BINFMT / EMULATORS[arch]
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
        process.run(["/usr/sbin/update-binfmts", "--enable", EMULATORS[arch]])
    if missing := state(arch):
        architecture = platform_of(arch).split("/")[1]
        raise EnvironmentLacks(
            missing,
            doing=f"preparing to run {arch} programs",
            hint=[
                "nox -s install_stack    (as root: qemu-user-static and binfmt-support)",
                f"elsewhere: docker run --privileged --rm tonistiigi/binfmt --install {architecture}",
            ],
        )
