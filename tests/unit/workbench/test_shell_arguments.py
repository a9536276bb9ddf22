"""What of the arguments of `nox -s shell` is ours, and where the command begins, whose options are its own."""

from __future__ import annotations

import pytest
from imageyard.workbench.shell import split


@pytest.mark.parametrize(
    ("posargs", "own", "command"),
    [
        ("IMAGE", "IMAGE", ""),
        ("IMAGE --arch arm64", "IMAGE --arch arm64", ""),
        ("--arch arm64 IMAGE", "--arch arm64 IMAGE", ""),
        ("--arch=arm64 IMAGE --print", "--arch=arm64 IMAGE --print", ""),
        ("IMAGE gcc --version", "IMAGE", "gcc --version"),
        ("IMAGE --arch arm64 ls --arch -l", "IMAGE --arch arm64", "ls --arch -l"),
        ("--print IMAGE", "--print IMAGE", ""),
        ("IMAGE --help", "IMAGE --help", ""),
        ("IMAGE -- --odd-program --print", "IMAGE", "--odd-program --print"),
        ("--arch", "--arch", ""),
        ("", "", ""),
    ],
)
def test_split(posargs: str, own: str, command: str) -> None:
    assert split(posargs.split()) == (own.split(), command.split())
