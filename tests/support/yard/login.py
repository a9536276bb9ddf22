"""A scratch catalogue with a registry by trust, caches, a mirror and roles, and a login in it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from imageyard.access.login import log_in
from imageyard.catalogue import expand
from imageyard.console import Form, Story
from imageyard.plan.trust import Decision
from imageyard.project.checkout import Checkout
from imageyard.run.services import begin
from support.aws.served import Aws
from support.github.oidc import Oidc

TRUSTED = Decision("trusted", "push", "main is protected", push="trusted", reads=("trusted",), mirror=True)
BRANCH = Decision("branch", "pull_request", "a pull request", push="branch", reads=("branch", "trusted"))
FORK = Decision("fork", "pull_request", "the pull request comes from a fork")

MAIN = "repo:acme@1/images@2:ref:refs/heads/main"
PULL = "repo:acme@1/images@2:pull_request"

CATALOGUE = """\
registry: {{trusted: {host}/{key}, branch: {host}/{key}-branch}}
cache: {{trusted: {host}/{key}-cache, branch: {host}/{key}-branch-cache}}
mirrors: {mirrors}
{ecr}
ghcr: {{user: ci-user}}
images:
  plain:
    dockerfile: Dockerfile
    names:
      linux:
axes:
  plain: {{linux}}
"""
_OURS = ("AWS_", "IMAGEYARD_AWS", "ACTIONS_", "GITHUB_", "GHCR_", "RUNNER_", "DOCKER_CONFIG", "XDG_")


@dataclass
class Scene:
    """A repository, and the environment of a job in it, which is all that the login sees of the machine."""

    top: Path
    key: str
    env: dict[str, str]
    form: Form = "plain"
    told: io.StringIO = field(default_factory=io.StringIO)

    @property
    def story(self) -> str:
        return self.told.getvalue()

    @property
    def exported(self) -> dict[str, str]:
        """What the steps that follow find in their environment."""
        file = self.top / "github-env"
        return dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}

    def catalogue(self, text: str) -> None:
        (self.top / "images.yml").write_text(text)

    def edit(self, old: str, new: str) -> None:
        """Change the catalogue."""
        text = (self.top / "images.yml").read_text()
        assert old in text
        self.catalogue(text.replace(old, new))

    def log_in(self, decision: Decision, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
        """Log in with exactly this environment."""
        for name in [name for name in os.environ if name.startswith(_OURS)]:
            monkeypatch.delenv(name)
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        checkout = Checkout(self.top / "images.yml", self.top)
        services = begin(checkout, Story(self.form, self.told))
        return log_in(
            expand.load(checkout.file, checkout.top),
            services.reporter,
            services.registry(),
            services.provider,
            decision,
            os.environ,
            **options,
        )

    def on_github(self) -> None:
        """A job of GitHub: its folder, its file of variables, its log."""
        self.form = "github"
        (self.top / "temp").mkdir()
        self.env |= {
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(self.top / "temp"),
            "GITHUB_ENV": str(self.top / "github-env"),
        }


def config_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def ecr(role: object, **more: object) -> str:
    """The catalogue's `ecr`."""
    return f"ecr: {json.dumps({'role': role, 'region': 'us-east-1', **more})}"


@contextmanager
def scene(folder: Path, aws: Aws, oidc: Oidc | None, text: str, mirrors: str = "") -> Iterator[Scene]:
    """A repository whose registry is `aws`'s, in a job of GitHub with a token from `oidc`."""
    folder.mkdir(exist_ok=True)
    (folder / "home").mkdir()
    env: Mapping[str, str] = {"HOME": str(folder / "home"), **aws.env, **(oidc.env if oidc else {})}
    key = f"ci-{uuid4().hex[:8]}"
    made = Scene(folder, key, dict(env))
    made.catalogue(CATALOGUE.format(host=aws.host, ecr=text, mirrors=f"[{mirrors}]", key=key))
    made.on_github()
    yield made
