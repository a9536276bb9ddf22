"""What the doctor says of a machine: one thing wrong at a time, with what to type."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from imageyard import doctor
from imageyard.errors import EnvironmentLacks, exit_code
from imageyard.stack.health import CHECKS, GIB, Facts, HealthCheck, diagnose, numbers

WELL = Facts(
    python=(3, 11, 7),
    packages={"nox": "2026.10.20", "invoke": "3.0.3"},
    git="2.39.5",
    engine="28.5.2",
    engine_origin="the current context",
    store="containerd",
    buildx="0.29.1+ds1",
    free=69 * GIB,
    emulation={"amd64": None, "arm64": None},
    standins=2,
    registry=True,
)


def test_a_machine_that_is_well() -> None:
    findings = diagnose(WELL)
    assert [finding.ok for finding in findings] == [True] * len(CHECKS)
    assert "WRONG" not in doctor.report(findings)


@pytest.mark.parametrize(
    ("changed", "subject", "needed", "typed"),
    [
        ({"python": (3, 9, 2)}, "Python", True, "python3.11 -m venv .venv"),
        ({"packages": {"nox": "2024.1.1", "invoke": "3.0.3"}}, "Nox, Invoke", True, "pip install -e ."),
        ({"packages": {"nox": "2026.10.20", "invoke": None}}, "Nox, Invoke", True, "pip install -e ."),
        ({"git": None}, "git", True, "apt-get install git"),
        ({"engine": None, "engine_complaint": ("refused",)}, "engine", True, "nox -s install_stack local_stack"),
        ({"buildx": None}, "buildx", True, "nox -s install_stack"),
        ({"buildx": "0.12.1"}, "buildx", True, "nox -s install_stack"),
        ({"engine": "24.0.7"}, "engine with buildx", False, "docs.docker.com"),
        ({"store": "classic"}, "image store", False, "containerd-snapshotter"),
        ({"free": 5 * GIB}, "disk for all", False, "inv clean"),
        ({"emulation": {"amd64": None, "arm64": "no emulator"}}, "emulators", False, "nox -s install_stack"),
        ({"registry": False}, "stand-in bases", True, "nox -s local_stack"),
    ],
)
def test_one_thing_that_is_wrong(changed: dict[str, object], subject: str, needed: bool, typed: str) -> None:
    findings = diagnose(replace(WELL, **changed))  # type: ignore[arg-type]
    wrong = [finding for finding in findings if not finding.ok]
    assert [finding.subject for finding in wrong] == [subject]
    assert wrong[0].needed is needed
    assert any(typed in hint for hint in wrong[0].hint)
    assert wrong[0].wrong in doctor.report(findings)


def test_a_full_disk_is_told_twice() -> None:
    wrong = [finding.subject for finding in diagnose(replace(WELL, free=GIB)) if not finding.ok]
    assert wrong == ["disk", "disk for all"]


@pytest.mark.parametrize("facts", [Facts(), replace(WELL, free=None, standins=0, registry=False, emulation={})])
def test_what_is_not_known_breaks_nothing(facts: Facts) -> None:
    assert len(diagnose(facts)) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: type(check).__name__)
def test_a_check_says_what_is_wrong_in_one_sentence(check: HealthCheck) -> None:
    said = type(check).__doc__ or ""
    assert said.endswith(".")
    assert "\n" not in said
    assert check.subject
    assert check.hint


@pytest.mark.parametrize(
    ("version", "found"),
    [("0.29.1+ds1", (0, 29, 1)), ("2026.10.20", (2026, 10, 20)), ("v1", ()), ("", ()), (None, ())],
)
def test_the_numbers_of_a_version(version: str | None, found: tuple[int, ...]) -> None:
    assert numbers(version) == found


def test_json_for_machines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "gather", lambda arches: WELL)
    doctor.examine(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {"subject": "git", "ok": True, "needed": True, "found": "2.39.5", "wrong": "", "hint": []} in found


def test_something_needed_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "gather", lambda arches: replace(WELL, engine=None, git=None))
    with pytest.raises(EnvironmentLacks, match="git is not installed") as caught:
        doctor.examine()
    assert exit_code(caught.value) == 4
    assert caught.value.detail == ("also: No Docker engine answers.",)
    assert "WRONG  engine" in capsys.readouterr().out


def test_a_note_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "gather", lambda arches: replace(WELL, store="classic"))
    doctor.examine()
    assert "note   image store: classic" in capsys.readouterr().out
