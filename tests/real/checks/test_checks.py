"""Checks in real containers: what a program says, what is not there, what never started."""

from __future__ import annotations

import io
import tarfile

import pytest
from imageyard.catalogue.expectations.base import Expectation
from imageyard.catalogue.expectations.matches import MatchExpected
from imageyard.catalogue.expectations.passes import PASSES
from imageyard.catalogue.expectations.present import PresenceExpected
from imageyard.catalogue.expectations.version import VersionExpected
from imageyard.catalogue.model import Check
from imageyard.checks.run import run_checks
from support.engine.private import PrivateEngine

pytestmark = [pytest.mark.engine, pytest.mark.mirror]


TRITON, X = PresenceExpected(("TRITON",)), PresenceExpected(("X",))


def check(*run: str, expects: Expectation = PASSES) -> Check:
    return Check("it", run, expects)


@pytest.mark.parametrize(
    ("asked", "args", "ok", "actual"),
    [
        (check("echo", "gcc (Debian 12.2.0-14) 12.2.0", expects=VersionExpected("12")), {}, True, "12.2.0"),
        (check("echo", "gcc (Debian 12.2.0-14) 12.2.0", expects=VersionExpected("13")), {}, False, "12.2.0"),
        (check("sh", "-c", "echo 17.0.9 >&2", expects=VersionExpected("17")), {}, True, "17.0.9"),
        (check("echo", "x86_64", expects=MatchExpected("^x86")), {}, True, "'x86_64'"),
        (check("true"), {}, True, "exit status 0"),
        (check("sh", "-c", "exit 125"), {}, False, "exit status 125"),
        (
            check("sh", "-c", "kill -SEGV $$", expects=TRITON),
            {},
            False,
            "exit status 139 (signal 11)",
        ),
        (check("no-such-program"), {}, False, "no such program (exit status 127)"),
        (
            check("no-such-program", expects=TRITON),
            {},
            True,
            "no such program (exit status 127)",
        ),
        (
            check("no-such-program", expects=TRITON),
            {"TRITON": "1"},
            False,
            "no such program (exit status 127)",
        ),
        (check("true", expects=TRITON), {"TRITON": ""}, False, "present (exit status 0)"),
        (check("ls", "/sys/class/net", expects=MatchExpected(r"^lo\s*$")), {}, True, "'lo'"),
    ],
    ids=lambda value: " ".join(value.run) if isinstance(value, Check) else None,
)
def test_findings(
    asked: Check,
    args: dict[str, str],
    ok: bool,
    actual: str,
    docker_engine: PrivateEngine,
    busybox_base: str,
) -> None:
    (finding,) = run_checks(docker_engine.engine, busybox_base, [asked], args)
    assert (finding.ok, finding.actual) == (ok, actual)


def test_an_image_that_is_not_there_is_no_wrong_version(docker_engine: PrivateEngine) -> None:
    (finding,) = run_checks(docker_engine.engine, "imageyard.local/no/image:1", [check("true", expects=X)], {})
    assert (finding.ok, finding.actual) == (False, "no answer: the container did not start")
    assert "imageyard.local/no/image:1" in finding.why


def test_a_program_of_an_architecture_that_cannot_run_here_is_not_absent(docker_engine: PrivateEngine) -> None:
    """As in arm64 images without an emulator: the kernel knows no format of its programs, the shell's neither."""
    spool, content = io.BytesIO(), b"\x7fELF of no machine"
    with tarfile.open(fileobj=spool, mode="w") as tar:
        for name in ("foreign", "bin/sh"):
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, len(content)
            tar.addfile(member, io.BytesIO(content))
    image = "imageyard.local/test/foreign:1"
    docker_engine.docker("import", "-", image, stdin=spool.getvalue())
    (finding,) = run_checks(docker_engine.engine, image, [check("/foreign", expects=X)], {})
    assert (finding.ok, finding.actual) == (False, "no answer: the container did not start")
    assert "format error" in finding.why.lower()


def test_a_check_that_does_not_end(docker_engine: PrivateEngine, busybox_base: str) -> None:
    """The next one is run all the same, and no container is left."""
    checks = [check("sleep", "600"), check("sleep", "601")]
    labels = {"imageyard.test": "late"}
    findings = run_checks(docker_engine.engine, busybox_base, checks, {}, labels=labels, timeout=1.5)
    assert [(found.ok, found.actual) for found in findings] == [(False, "no answer within 1.5 s")] * 2
    assert docker_engine.engine.containers("imageyard.test=late") == ()
