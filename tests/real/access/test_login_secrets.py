"""A job from its login to the mirror, as it is typed: what it gets in, and that none of it gets out."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from imageyard.builders import buildx
from support.aws.served import Aws
from support.engine.private import PrivateEngine
from support.github.oidc import Oidc
from support.registry.served import PASSWORD, USER, Served
from support.yard.login import ecr
from support.yard.publishing import BASE, PublishingYard, make_publishing_yard
from support.yard.scratch import ARCH, Done

pytestmark = pytest.mark.engine

RECORDER = """\
#!/bin/sh
{{ printf '%s\\n' "$0" "$@"; env; }} >> {log}
exec {real} "$@"
"""


@dataclass
class Job:
    """A job of GitHub on a push to main, its programs recorded: each child's arguments and its environment."""

    yard: PublishingYard
    folder: Path
    env: dict[str, str]

    def step(self, *argv: str, **env: str) -> Done:
        """A step: what the steps before it exported is in its environment."""
        file = self.folder / "github-env"
        exported = dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
        return self.yard.inv(*argv, env={**self.env, **exported, **env})

    @property
    def children(self) -> str:
        return (self.folder / "children").read_text()

    def record(self, folder: Path, *programs: str) -> None:
        """Put recorders of programs into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            real = buildx.find() if program == "docker-buildx" else shutil.which(program)
            (folder / program).write_text(RECORDER.format(log=self.folder / "children", real=real))
            (folder / program).chmod(0o755)


@pytest.fixture
def push_to_main(
    docker_engine: PrivateEngine,
    busybox_base: str,
    registry: Served,
    locked_registry: Served,
    aws: Aws,
    oidc: Oidc,
    roles: dict[str, str],
    tmp_path: Path,
) -> Iterator[Job]:
    yard = make_publishing_yard(docker_engine, busybox_base, registry, tmp_path)
    names = f"{{trusted: {registry.host}/{yard.name}, branch: {registry.host}/{yard.name}-branch}}"
    more = [
        f"{{trusted: {aws.host}/{yard.name}, branch: {aws.host}/{yard.name}-branch}}",
        ecr(roles, create="yes"),
        f"mirrors: [{locked_registry.host}/acme/{yard.name}]",
        f"ghcr: {{user: {USER}}}",
    ]
    yard.edit("images.yml", names, "\n".join(more))
    yard.host = aws.host
    commit = yard.commit()
    folder = tmp_path / "job"
    folder.mkdir()
    payload = {"ref": "refs/heads/main", "after": commit, "repository": {"full_name": "acme/images", "fork": False}}
    (folder / "event.json").write_text(json.dumps(payload))
    env = {
        **aws.env,
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_REPOSITORY": "acme/images",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": commit,
        "GITHUB_ENV": str(folder / "github-env"),
        "RUNNER_TEMP": str(folder),
        "PATH": f"{folder}/programs{os.pathsep}{yard.environment()['PATH']}",
    }
    job = Job(yard, folder, env)
    job.record(folder / "programs", "git", "docker")
    job.record(yard.home / ".docker" / "cli-plugins", "docker-buildx")
    yield job
    yard.remove_images()


def test_a_job_from_its_login_to_the_mirror(push_to_main: Job, aws: Aws, oidc: Oidc, locked_registry: Served) -> None:
    job, yard = push_to_main, push_to_main.yard
    done = [
        job.step("login", **oidc.env, GHCR_PAT=PASSWORD),
        job.step("build", BASE),
        job.step("push", BASE, "--at", "trusted"),
        job.step("promote", BASE),
        job.step("mirror", BASE),
    ]

    assert [step.code for step in done] == [0] * 5, "\n".join(step.all for step in done)
    tag = yard.tag(BASE)
    mirrored = locked_registry.client().head(locked_registry.reference(f"acme/{yard.name}", tag))[0]
    assert f"{BASE} {ARCH} {aws.host}/{yard.name}@" in done[2].out
    assert done[4].out.strip().endswith(f"@{mirrored}")
    assert done[0].out.strip() == str(job.folder / "imageyard-docker")

    assert "git" in job.children
    assert "docker-buildx" in job.children, "the plugin of the user is found beside the private configuration"
    secrets = [*oidc.issued, oidc.bearer, *aws.secrets, *aws.passwords, PASSWORD]
    pairs = [f"AWS:{password}" for password in aws.passwords] + [f"{USER}:{PASSWORD}"]
    secrets += [base64.b64encode(pair.encode()).decode() for pair in pairs]
    assert len(secrets) >= 8
    masked = [line for step in done for line in step.err.splitlines() if line.startswith("::add-mask::")]
    assert len(masked) >= 8
    seen = {
        "children": job.children,
        "output": "\n".join(step.out for step in done),
        "log": "\n".join(line for step in done for line in step.err.splitlines() if line not in masked),
        "exported": (job.folder / "github-env").read_text(),
        **{str(path): path.read_text(errors="replace") for path in yard.top.rglob("*") if path.is_file()},
        **{str(path): path.read_text(errors="replace") for path in yard.home.rglob("*") if path.is_file()},
    }
    assert {place: secret for place, text in seen.items() for secret in secrets if secret in text} == {}


def test_masks_come_before_anything_else_is_said_of_them(push_to_main: Job, oidc: Oidc, aws: Aws) -> None:
    """A line that came before its mask would be in GitHub's log for ever; the registry here says what it was sent."""
    done = push_to_main.step("login", **oidc.env, GHCR_PAT=PASSWORD)
    lines = done.err.splitlines()
    first = next(number for number, line in enumerate(lines) if "Logged in" in line)
    masked = {line.removeprefix("::add-mask::") for line in lines[:first]}
    assert oidc.bearer in masked
    assert oidc.issued[-1] in masked
    assert list(aws.passwords)[-1] in masked


def test_a_job_without_rights_goes_on(push_to_main: Job) -> None:
    done = push_to_main.step("login")
    assert done.code == 0
    warnings = [line for line in done.err.splitlines() if line.startswith("::warning::")]
    assert len(warnings) == 1
    assert "no login at ECR: this job lacks the permission `id-token: write`" in warnings[0]
    assert "No login at 127.0.0.1" in done.err


def test_what_was_refused_is_an_exit_code(push_to_main: Job, oidc: Oidc) -> None:
    oidc.subject = "repo:acme@1/images@2:ref:refs/heads/other"
    done = push_to_main.step("login", **oidc.env)
    assert done.code == 8
    assert "AccessDenied" in done.err
    assert oidc.issued[-1] not in "\n".join(line for line in done.all.splitlines() if "::add-mask::" not in line)
