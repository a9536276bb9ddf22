"""Checks judged: what each kind expects, what it takes for an answer, and in which words it disagrees."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.catalogue.expectations.base import Expectation
from imageyard.catalogue.expectations.matches import MatchExpected
from imageyard.catalogue.expectations.passes import PASSES
from imageyard.catalogue.expectations.present import PresenceExpected
from imageyard.catalogue.expectations.version import VersionExpected
from imageyard.catalogue.model import Check, Where
from imageyard.checks.judge import judge
from imageyard.checks.run import run_checks
from imageyard.engine import Ran
from imageyard.errors import ConfigurationError
from imageyard.ran import Ended, NotStarted, TimedOut

HERE = Where("images.yml", 7, 9)


def check(expects: Expectation = PASSES, run: tuple[str, ...] = ("tool", "--version"), name: str = "tool") -> Check:
    return Check(name, run, expects, where=HERE)


GCC = "gcc (Debian 12.2.0-14) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n"
CLANG = "clang version 18.1.3 (1ubuntu1)\nTarget: x86_64-pc-linux-gnu\n"
UBUNTU_GCC = "gcc (Ubuntu 13.3.0-6ubuntu2~24.04.1) 13.3.0\n"
NVCC = (
    "nvcc: NVIDIA (R) Cuda compiler driver\nCopyright (c) 2005-2025 NVIDIA Corporation\n"
    "Built on Fri_Feb_21_20:23:50_PST_2025\nCuda compilation tools, release 12.8, V12.8.93\n"
    "Build cuda_12.8.r12.8/compiler.35583870_0\n"
)


@pytest.mark.parametrize(
    ("version", "output", "found", "ok"),
    [
        ("12", GCC, "12.2.0", True),
        ("12.2", GCC, "12.2.0", True),
        ("12.2.0", GCC, "12.2.0", True),
        ("13", GCC, "12.2.0", False),
        ("1", GCC, "12.2.0", False),
        ("12.3", GCC, "12.2.0", False),
        ("13", UBUNTU_GCC, "13.3.0", True),
        ("18", CLANG, "18.1.3", True),
        ("1", CLANG, "18.1.3", False),
        ("12.8.1", NVCC, "12.8", True),
        ("12.8", NVCC, "12.8", True),
        ("12.6.3", NVCC, "12.8", False),
        ("3.11", "Python 3.11.2", "3.11.2", True),
        ("3.1", "Python 3.11.2", "3.11.2", False),
        ("3.11", "Python 3.1.0", "3.1.0", False),
        ("3.10", "Python 3.1", "3.1", False),
        ("3.14", "Python 3.14.0b1", "3.14.0", True),
        ("3.14.0b1", "Python 3.14.0b1", "3.14.0", True),
        ("3.14t", "Python 3.14.2", "3.14.2", True),
        ("v22.5", "v22.5.1", "22.5.1", True),
        ("24.04", "VERSION_ID=24.04", "24.04", True),
        ("24.4", "VERSION_ID=24.04", "24.04", True),
        ("20250101", "tool of 20250101", "20250101", True),
        ("2", "version two", "no number in 'version two'", False),
        ("2", "", "no number in no output", False),
    ],
)
def test_version(version: str, output: str, found: str, ok: bool) -> None:
    finding = judge(check(VersionExpected(version)), {}, Ended(0, output))
    assert (finding.ok, finding.actual) == (ok, found)


def test_version_reads_standard_error_only_where_standard_output_has_no_number() -> None:
    """Java prints its version there, and so do warnings of the surroundings that are not the version."""
    assert judge(check(VersionExpected("17")), {}, Ended(0, "", 'openjdk version "17.0.9"')).ok
    assert judge(check(VersionExpected("17")), {}, Ended(0, "17.0.9", "warning: 4.2 locales")).ok


components = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@settings(deadline=None)
@given(components, components)
def test_version_is_compared_on_the_components_that_both_have(wanted: str, found: str) -> None:
    shared = min(wanted.count("."), found.count(".")) + 1
    same = wanted.split(".")[:shared] == found.split(".")[:shared]
    assert judge(check(VersionExpected(wanted)), {}, Ended(0, f"tool {found}\n")).ok is same


@settings(deadline=None)
@given(st.text())
def test_no_output_upsets_the_judge(output: str) -> None:
    finding = judge(check(VersionExpected("3.11")), {}, Ended(0, output))
    assert finding.expected == "3.11"
    assert finding.actual


@pytest.mark.parametrize(
    ("pattern", "out", "err", "ok"),
    [
        ("LLVM", "based on LLVM 18", "", True),
        ("^based", "not based", "", False),
        ("(?m)^second$", "first\nsecond\nthird", "", True),
        ("complaint", "", "complaint", True),
        ("amd64|arm64", "s390x", "", False),
        ("^LLVM 18$", "LLVM 18\n", "", True),
        ("^LLVM 18$", "", "LLVM 18\n", True),
        ("18\nwarning$", "LLVM 18\n", "warning\n", True),
        ("^$", "\n", "", True),
    ],
)
def test_matches(pattern: str, out: str, err: str, ok: bool) -> None:
    finding = judge(check(MatchExpected(pattern)), {}, Ended(0, out, err))
    assert (finding.ok, finding.expected) == (ok, f"output matching {pattern!r}")


PRESENT = check(PresenceExpected(("TRITON", "TRITON_CPU")), run=("triton", "--help"))


@pytest.mark.parametrize(
    ("args", "code", "ok", "headline"),
    [
        ({"TRITON": "1"}, 0, True, "tool: expected exit status 0 (TRITON is set), found exit status 0"),
        ({"TRITON_CPU": "1"}, 0, True, "tool: expected exit status 0 (TRITON_CPU is set), found exit status 0"),
        (
            {"TRITON": "1"},
            127,
            False,
            "tool: expected exit status 0 (TRITON is set), found no such program (exit status 127)",
        ),
        (
            {},
            127,
            True,
            "tool: expected absent (TRITON, TRITON_CPU are unset), found no such program (exit status 127)",
        ),
        ({"TRITON": ""}, 1, True, "tool: expected absent (TRITON, TRITON_CPU are unset), found exit status 1"),
        ({}, 0, False, "tool: expected absent (TRITON, TRITON_CPU are unset), found present (exit status 0)"),
        ({}, 139, False, "tool: expected absent (TRITON, TRITON_CPU are unset), found exit status 139 (signal 11)"),
        (
            {"OTHER": "1"},
            0,
            False,
            "tool: expected absent (TRITON, TRITON_CPU are unset), found present (exit status 0)",
        ),
    ],
)
def test_present_passes_exactly_when_an_arg_is_set(args: dict[str, str], code: int, ok: bool, headline: str) -> None:
    finding = judge(PRESENT, args, Ended(code, ""))
    assert (finding.ok, finding.headline) == (ok, headline)


@pytest.mark.parametrize(
    ("code", "ok", "actual"),
    [
        (0, True, "exit status 0"),
        (1, False, "exit status 1"),
        (126, False, "exit status 126"),
        (127, False, "no such program (exit status 127)"),
        (139, False, "exit status 139 (signal 11)"),
        (255, False, "exit status 255"),
    ],
)
@pytest.mark.parametrize(
    "expects", [PASSES, VersionExpected("12"), MatchExpected("12")], ids=["plain", "version", "matches"]
)
def test_a_command_that_fails_says_nothing_else(expects: Expectation, code: int, ok: bool, actual: str) -> None:
    finding = judge(check(expects), {}, Ended(code, "12"))
    assert finding.ok is ok
    assert code == 0 or finding.actual == actual


KINDS = [check(), check(VersionExpected("12")), check(MatchExpected("x")), check(PresenceExpected(("TRITON",)))]


@pytest.mark.parametrize("kind", KINDS, ids=["plain", "version", "matches", "present"])
@pytest.mark.parametrize("args", [{}, {"TRITON": "1"}], ids=["unset", "set"])
def test_no_answer_satisfies_no_check(kind: Check, args: dict[str, str]) -> None:
    """Least of all one that expects the command to fail."""
    late = judge(kind, args, TimedOut(300.0, "so far"))
    assert (late.ok, late.actual, late.output) == (False, "no answer within 300 s", ("so far",))
    never = judge(kind, args, NotStarted("no space left on device"))
    assert not never.ok
    assert (never.actual, never.why) == ("no answer: the container did not start", "no space left on device")


def test_a_failure_shows_the_command_and_its_last_lines() -> None:
    out = "".join(f"line {number}\n\n" for number in range(50))
    finding = judge(check(VersionExpected("12")), {}, Ended(3, out, "x" * 10_000))
    assert finding.why == "ran: tool --version"
    assert finding.output[:2] == ("line 41", "line 42")
    assert (len(finding.output), len(finding.output[-1])) == (10, 500)


def test_a_success_keeps_no_output() -> None:
    finding = judge(check(VersionExpected("12")), {}, Ended(0, GCC))
    assert (finding.ok, finding.output, finding.why) == (True, (), "")


@pytest.mark.parametrize(
    ("expects", "message"),
    [
        (
            MatchExpected("("),
            "images.yml:7:9: check tool: matches '(' is no regular expression: missing ), unterminated",
        ),
        (VersionExpected("latest"), "images.yml:7:9: check tool: version 'latest' has no number to compare"),
    ],
)
@pytest.mark.parametrize(
    "ran", [Ended(0, "1.0"), TimedOut(1.0), NotStarted("no engine")], ids=lambda r: type(r).__name__
)
def test_a_check_that_cannot_be_judged_is_a_fault_of_the_catalogue(
    expects: Expectation, message: str, ran: Ended | TimedOut | NotStarted
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        judge(check(expects), {}, ran)


# Running them


class Containers:
    """Answers by the program that is run, and remembers how it was asked."""

    def __init__(self, answers: dict[str, Ran | TimeoutError]) -> None:
        self.answers = answers
        self.asked: list[tuple[object, ...]] = []

    def run(self, image, argv, *, network="bridge", platform=None, labels=None, timeout=None):  # type: ignore[no-untyped-def]
        self.asked.append((image, tuple(argv), network, platform, labels))
        answer = self.answers[argv[0]]
        if isinstance(answer, TimeoutError):
            raise answer
        return answer


NO_EMULATOR = b"exec /usr/bin/gcc: exec format error\n"
NO_EMULATOR_INIT = b"[FATAL tini (7)] exec gcc failed: Exec format error\n"


@pytest.mark.parametrize(
    ("answer", "actual"),
    [
        (Ran(True, 0, b"12.2.0\n", b""), "12.2.0"),
        (Ran(True, 0, b"\xff 13.1", b""), "13.1"),
        (Ran(True, 127, b"", b"not found"), "no such program (exit status 127)"),
        (Ran(True, 125, b"", b"its own"), "exit status 125"),
        (Ran(False, 125, b"", b"docker: no space left"), "no answer: the container did not start"),
        (Ran(True, 255, b"", NO_EMULATOR), "no answer: the container did not start"),
        (Ran(True, 126, b"", NO_EMULATOR_INIT), "no answer: the container did not start"),
        (TimeoutError("docker did not end in time"), "no answer within 300 s"),
    ],
)
def test_what_a_container_answers(answer: Ran | TimeoutError, actual: str) -> None:
    (finding,) = run_checks(Containers({"gcc": answer}), "image", [check(VersionExpected("12"), run=("gcc",))], {})
    assert finding.actual == actual


def test_every_check_is_run_in_order_without_a_network() -> None:
    containers = Containers({"a": Ran(True, 1, b"", b""), "b": TimeoutError(), "c": Ran(True, 0, b"", b"")})
    checks = [check(name=name, run=(name, "-x")) for name in "abc"]
    findings = run_checks(containers, "image@sha256:0", checks, {}, platform="linux/arm64", labels={"run": "1"})
    assert [(found.check, found.ok) for found in findings] == [("a", False), ("b", False), ("c", True)]
    assert containers.asked == [("image@sha256:0", (name, "-x"), "none", "linux/arm64", {"run": "1"}) for name in "abc"]
