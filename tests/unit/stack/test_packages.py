"""What is installed on which machine: the plan as files and commands."""

from __future__ import annotations

import pytest
from imageyard.errors import EnvironmentLacks
from imageyard.stack.apt import read_list
from imageyard.stack.packages import (
    ENGINE,
    NEEDED,
    PREFERENCES,
    SOURCES,
    Need,
    Release,
    plan,
    read_os_release,
    script,
    version_in,
)
from support.tools import TEST_TOOLS

BOOKWORM = Release("debian", "12", "bookworm")
TRIXIE = Release("debian", "13", "trixie")
FORKY = Release("debian", "", "forky")
NOBLE = Release("ubuntu", "24.04", "noble")
MIRROR = read_list("deb [signed-by=/k.gpg] http://mirror.example/debian/ bookworm main\n")
MIRRORS = MIRROR + read_list("deb http://mirror.example/debian trixie main\n")
ALL = (*ENGINE, *NEEDED)
APT = "apt-get -o Acquire::Check-Valid-Until=false"


def commands(release: Release, found: dict[str, tuple[int, ...] | None], needs: tuple[Need, ...] = ALL) -> list[str]:
    return [" ".join(command) for command in plan(release, MIRRORS, found, needs).commands]


def test_a_bare_debian_12_takes_the_engine_from_a_newer_suite_and_the_rest_from_its_own() -> None:
    assert commands(BOOKWORM, {}) == [
        f"{APT} update",
        f"{APT} install --yes --no-install-recommends docker.io/forky docker-cli/forky docker-buildx/forky"
        " containerd/forky ca-certificates iproute2 iptables docker-registry debootstrap qemu-user-static"
        " binfmt-support",
    ]


def test_the_files_name_the_machines_own_mirror_and_pin_the_newer_suites_below_what_is_installed() -> None:
    assert plan(BOOKWORM, MIRROR, {}, ALL).files == {
        SOURCES: (
            "# Written by install_stack.\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: trixie forky\n"
            "Components: main\nSigned-By: /k.gpg\n"
        ),
        PREFERENCES: (
            "Package: *\nPin: release n=trixie\nPin-Priority: 60\n"
            "\n"
            "Package: *\nPin: release n=forky\nPin-Priority: 50\n"
        ),
    }


@pytest.mark.parametrize("release", [TRIXIE, FORKY])
def test_a_newer_debian_has_all_of_it_itself(release: Release) -> None:
    wanted = plan(release, (), {}, ALL)
    assert wanted.files == {}
    assert not any("/" in word for word in wanted.commands[1])
    assert {"docker.io", "docker-cli", "docker-buildx", "containerd"} <= set(wanted.commands[1])


def test_ubuntus_engine_package_has_the_client() -> None:
    wanted = plan(NOBLE, (), {}, ALL)
    assert wanted.files == {}
    assert "docker.io" in wanted.commands[1]
    assert "docker-cli" not in wanted.commands[1]


def test_what_is_there_is_left_alone() -> None:
    found: dict[str, tuple[int, ...] | None] = {need.program: need.oldest for need in ALL}
    assert plan(BOOKWORM, MIRROR, found, ALL).commands == ()
    del found["debootstrap"]
    wanted = plan(BOOKWORM, MIRROR, found, ALL)
    assert wanted.commands[1][-1] == "debootstrap"
    assert wanted.commands[1][-2] == "--no-install-recommends"
    assert wanted.files == {}


@pytest.mark.parametrize(
    ("version", "package"),
    [((20, 10, 24), "docker.io/forky"), ((26, 0), "docker.io/forky"), ((), "docker.io/forky"), ((26, 1, 5), None)],
)
def test_an_engine_that_is_too_old_is_replaced(version: tuple[int, ...], package: str | None) -> None:
    found = {need.program: need.oldest for need in ALL} | {"dockerd": version}
    wanted = commands(BOOKWORM, dict(found))
    assert (wanted[1].split()[-1] if wanted else None) == package


def test_the_tools_of_the_tests() -> None:
    names = plan(TRIXIE, MIRRORS, {}, TEST_TOOLS).commands[1]
    assert {"skopeo", "oras", "cosign", "crane/forky"} <= set(names)
    assert "Suites: forky\n" in plan(TRIXIE, MIRRORS, {}, TEST_TOOLS).files[SOURCES]
    assert plan(NOBLE, (), {}, TEST_TOOLS).skipped == ("chromium", "chromedriver", "cosign", "crane", "oras")


@pytest.mark.parametrize("release", [Release("fedora", "42", ""), Release("", "", "")])
def test_another_system_is_told_what_to_install(release: Release) -> None:
    with pytest.raises(EnvironmentLacks, match="Debian and Ubuntu") as caught:
        plan(release, (), {}, ALL)
    assert "Docker 26.1" in caught.value.hint[0]
    assert "dockerd" in caught.value.detail[0]


def test_a_machine_without_a_mirror_is_told_so() -> None:
    with pytest.raises(EnvironmentLacks, match="no mirror for bookworm"):
        plan(BOOKWORM, (), {}, ALL)


def test_the_plan_as_lines_to_paste() -> None:
    lines = script(plan(BOOKWORM, MIRROR, {}, ENGINE), sudo=True)
    assert lines[0] == f"sudo tee {SOURCES} >/dev/null <<'EOF'"
    assert lines.count("EOF") == 2
    assert lines[-2] == f"sudo {APT} update"
    assert all(not line.startswith("sudo") for line in script(plan(BOOKWORM, MIRROR, {}, ENGINE), sudo=False))


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n', BOOKWORM),
        ("ID=ubuntu\nVERSION_ID='24.04'\nVERSION_CODENAME=noble\n# ID=other\n", NOBLE),
        ("ID=debian\nVERSION_CODENAME=forky\n", FORKY),
        ("", Release("", "", "")),
    ],
)
def test_os_release(text: str, release: Release) -> None:
    assert read_os_release(text) == release


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Docker version 28.5.2+dfsg4, build 3ef3c07", (28, 5, 2)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("containerd github.com/containerd/containerd/v2 2.1.9+unknown ", (2, 1, 9)),
        ("none", ()),
    ],
)
def test_the_version_that_a_program_tells(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version
