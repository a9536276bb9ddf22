"""Which role a job asks for, what it makes, and of what it is warned."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from imageyard import aws
from imageyard.access import login
from imageyard.access.aws_role import Assumed
from imageyard.access.step_environment import ROLE
from imageyard.catalogue import expand
from imageyard.catalogue.lane_images import in_lane
from imageyard.ci.providers.base import Provider
from imageyard.console import Story
from imageyard.names import Reference
from imageyard.plan.trust import Decision, Event, decide
from imageyard.project.checkout import LANE
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors.base import Password
from support.yard.policies import CATALOGUE, ECR

HERE = "acme/images"
MAIN = decide(Event("push", ref="refs/heads/main"), ["main"])
PULL = decide(Event("pull request", repository=HERE, head=HERE, number=17), ["main"])


class Ecr:
    """A registry that makes whatever it is asked for."""

    title = "ECR"

    def __init__(self) -> None:
        self.made: list[str] = []

    def region_of(self, host: str) -> str | None:
        return "us-east-1" if host == ECR else None

    def log_in(self, region: str, caller: aws.Caller) -> Password:
        return Password(ECR, Credential("AWS", "a password"), None)

    def make_repository(self, repository: Reference, region: str, caller: aws.Caller, *, held: bool) -> bool:
        self.made.append(repository.repository)
        return True


class Job:
    """A job that has a token; `handed` is what its later steps get."""

    def __init__(self) -> None:
        self.handed: dict[str, str] = {}

    def set(self, variable: str, value: Path | str) -> None:
        self.handed[variable] = str(value)

    def has_identity(self) -> bool:
        return True

    def actor(self) -> None:
        return None

    def job_folder(self) -> None:
        return None

    def following_steps(self) -> Job:
        return self


def asked_at_aws(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Ecr]:
    """The roles that are taken from now on, and the ECR that is logged in to."""
    asked: list[str] = []

    def assume(role: str, settings: Mapping[str, Any], *_: object) -> Assumed:
        asked.append(role)
        return Assumed(aws.Keys("AK", "SK", "ST", "2026-01-01"), role)

    ecr = Ecr()
    monkeypatch.setattr(login, "AWS_LOGINS", {"ecr": ecr})
    monkeypatch.setattr(login.aws_role, "assume", assume)
    return asked, ecr


@pytest.mark.parametrize(
    ("decision", "options", "role", "made"),
    [
        (MAIN, {}, "trusted", ["acme/ci", "acme/ci-cache"]),
        (MAIN, {"as_branch": True}, "branch", []),
        (PULL, {}, "branch", ["acme/ci-branch", "acme/ci-branch-cache"]),
        (PULL, {"as_branch": True}, "branch", []),
        (MAIN, {"as_role": "arn:aws:iam::123456789012:role/retention"}, "retention", []),
        (MAIN, {"as_role": ""}, "", []),
    ],
)
def test_the_role_that_is_taken(
    decision: Decision,
    options: dict[str, Any],
    role: str,
    made: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, ecr = asked_at_aws(monkeypatch)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    file = tmp_path / "images.yml"
    file.write_text(CATALOGUE.replace("mirrors: [ghcr.io/acme/ci]\n", ""))
    story = Story("plain", io.StringIO())
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    loaded = expand.load(file, tmp_path)
    job = Job()
    login.log_in(loaded, story, Client(), cast("Provider", job), decision, environ, **options)

    assert asked == ([f"arn:aws:iam::123456789012:role/{role}"] if role else [])
    assert ecr.made == made
    assert job.handed.get(ROLE) == options.get("as_role"), "for the bucket: an empty one says that none is taken"


LANES = """\
bucket: example-wheels
region: us-east-1
account: "123456789012"
roles: wheels
images: {images}
lanes: {{acme: acme-ai/torch-acme@812345678}}
"""
VENDOR = "{v: {dockerfile: D, lane: acme, names: {acme: }}, a: "


@pytest.mark.parametrize(("images", "asks"), [(f"{ECR}/lanes", True), ("registry.test/lanes", False)])
def test_a_run_of_a_lane_takes_the_lanes_role_where_its_repositories_are(
    images: str, asks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ecr = asked_at_aws(monkeypatch)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    file = tmp_path / "images.yml"
    file.write_text(CATALOGUE.replace("{a: ", VENDOR).replace("{plain: {linux: ", "{plain: {linux: , acme: "))
    (tmp_path / "lanes.yml").write_text(LANES.format(images=images))
    job, environ = Job(), {"XDG_RUNTIME_DIR": str(tmp_path)}
    loaded = in_lane(expand.load(file, tmp_path), "acme")
    story = Story("plain", io.StringIO())
    login.log_in(loaded, story, Client(), cast("Provider", job), MAIN, environ)

    assert asked == (["arn:aws:iam::123456789012:role/wheels-lane-acme"] if asks else [])
    assert ecr.made == [], "`inv lane.provision` makes them"
    assert job.handed[LANE] == "acme"


class Registry:
    """A client of a registry that takes the token, and says of every repository that others may write it."""

    def __init__(self, **_: object) -> None:
        pass

    def check_login(self, registry: str) -> None:
        assert registry == "ghcr.io"

    def open_to(self, repository: Reference) -> str:
        return f"{repository} is open to others"


@pytest.mark.parametrize(
    ("places", "warned"),
    [
        ("registry: ghcr.io/acme/ci", ["ghcr.io/acme/ci"]),
        (
            "registry: ghcr.io/acme/ci\ncache: {trusted: ghcr.io/acme/cache, branch: ghcr.io/acme/cache-of-branches}",
            ["ghcr.io/acme/ci", "ghcr.io/acme/cache"],
        ),
        ("mirrors: [ghcr.io/acme/ci]", []),  # `inv mirror` says it
    ],
)
def test_a_job_is_warned_of_what_others_can_write(
    places: str, warned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "Client", Registry)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    file = tmp_path / "images.yml"
    file.write_text(f"{places}\nimages: {{a: {{dockerfile: D, names: {{linux: }}}}}}\naxes: {{plain: {{linux: }}}}\n")
    told = io.StringIO()
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "GHCR_PAT": "a token"}
    loaded = expand.load(file, tmp_path)
    login.log_in(loaded, Story("plain", told), Client(), cast("Provider", Job()), MAIN, environ)

    said = [line for line in told.getvalue().splitlines() if "is open to others" in line]
    assert [line.partition(" is open")[0].rpartition(" ")[2] for line in said] == warned
    assert "Logged in at ghcr.io" in told.getvalue()
