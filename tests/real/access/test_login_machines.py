"""Logging in at ECR as a machine, where the catalogue asks for it, and as a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.errors import ConfigurationError, Denied
from imageyard.names import Reference
from imageyard.plan.trust import LOCAL
from imageyard.registry.client import Client
from support.aws.metadata import Metadata
from support.aws.served import Aws, trust_in
from support.github.oidc import Oidc
from support.registry.faults import Fault, running
from support.registry.served import put_image
from support.yard.login import BRANCH, FORK, TRUSTED, Scene, config_of


@pytest.fixture
def machine(job: Scene, aws: Aws) -> Iterator[Metadata]:
    """A runner with an instance profile, in a job without the right to a token."""
    with running(Metadata(aws.session("machine"))) as service:
        assert isinstance(service, Metadata)
        job.env |= service.env
        for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
            del job.env[name]
        yield service


def without_roles(job: Scene) -> None:
    text = (job.top / "images.yml").read_text()
    start = text.index('"role"')
    job.catalogue(text[:start] + text[text.index('"region"') :])


class TestMachine:
    def test_it_is_not_asked_unless_the_catalogue_says_so(
        self, job: Scene, machine: Metadata, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.log_in(TRUSTED, monkeypatch)
        assert "no login at ECR: this job lacks the permission `id-token: write`" in job.story
        assert machine.log == []

    def test_it_takes_the_role_for_an_hour_at_most(
        self, job: Scene, machine: Metadata, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AWS lets a session take a role for an hour, whatever the role's own limit is."""
        aws.role("trusted", trust=trust_in("role/machine"))
        job.edit('"region"', '"instance_profile": "yes", "duration": "4h", "region"')
        folder = job.log_in(TRUSTED, monkeypatch)

        assert "as arn:aws:sts::123456789012:assumed-role/trusted/imageyard until" in job.story
        assert aws.principals[next(reversed(aws.principals))].ends < time.time() + 3601
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        assert put_image(Client(), Reference(aws.host, job.key), note=job.key)

    def test_its_own_role_where_none_is_named(
        self, job: Scene, machine: Metadata, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        without_roles(job)
        job.edit('"region"', '"instance_profile": "yes", "region"')
        job.log_in(TRUSTED, monkeypatch)
        assert f"Logged in at {aws.host} as this machine's role" in job.story

    def test_a_token_goes_before_it(
        self, job: Scene, machine: Metadata, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.edit('"region"', '"instance_profile": "yes", "region"')
        job.env |= oidc.env
        job.log_in(TRUSTED, monkeypatch)
        assert machine.log == []

    def test_a_fork_does_not_get_it(self, job: Scene, machine: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
        job.edit('"region"', '"instance_profile": "yes", "region"')
        folder = job.log_in(FORK, monkeypatch)
        assert (machine.log, config_of(folder)) == ([], {})

    def test_a_machine_without_a_profile(self, job: Scene, machine: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
        machine.faults.append(Fault("GET", status=404))
        job.edit('"region"', '"instance_profile": "yes", "region"')
        job.log_in(BRANCH, monkeypatch)
        assert job.story.startswith("::warning::no login at ECR: this machine has no instance profile\n")

    def test_a_machine_whose_service_hangs_is_not_waited_for(
        self, job: Scene, machine: Metadata, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("imageyard.aws._METADATA_PATIENCE", 1)
        machine.faults.append(Fault("", kind="hang"))
        job.edit('"region"', '"instance_profile": "yes", "region"')
        job.log_in(TRUSTED, monkeypatch)
        assert job.story.startswith("::warning::no login at ECR: this machine has no instance profile\n")

    def test_a_role_that_does_not_trust_the_machine(
        self, job: Scene, machine: Metadata, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.edit('"region"', '"instance_profile": "yes", "region"')
        with pytest.raises(Denied, match="AccessDenied") as refused:
            job.log_in(TRUSTED, monkeypatch)
        assert "must allow sts:AssumeRole to the machine's role" in str(refused.value)


class TestPerson:
    @pytest.fixture(autouse=True)
    def at_home(self, job: Scene) -> None:
        for name in [name for name in job.env if name.startswith(("GITHUB_", "RUNNER_", "ACTIONS_"))]:
            del job.env[name]
        job.form = "plain"
        job.env["XDG_RUNTIME_DIR"] = str(job.top / "runtime")

    def test_keys_in_the_environment(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        job.env |= aws.user(f"env-{job.key}")
        folder = job.log_in(LOCAL, monkeypatch)
        assert folder == job.top / "runtime" / "imageyard" / "docker"
        assert f"Logged in at {aws.host} as your own AWS credentials until" in job.story
        assert "assumed-role" not in job.story

    def test_keys_in_a_file(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = aws.user(f"file-{job.key}")
        lines = "\n".join(f"{name.lower()} = {value}" for name, value in keys.items())
        (job.top / "credentials").write_text(f"[images]\n{lines}\n")
        job.env |= {"AWS_SHARED_CREDENTIALS_FILE": str(job.top / "credentials"), "AWS_PROFILE": "images"}
        assert aws.host in config_of(job.log_in(LOCAL, monkeypatch))["auths"]

    def test_no_keys(self, job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(Denied, match="there are no AWS credentials") as refused:
            job.log_in(LOCAL, monkeypatch)
        assert "aws sts get-caller-identity" in str(refused.value)

    def test_a_profile_that_is_not_there(self, job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        job.env["AWS_PROFILE"] = "nobody"
        with pytest.raises(ConfigurationError, match="nobody"):
            job.log_in(LOCAL, monkeypatch)

    def test_keys_that_ended(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        job.env |= aws.session("ended", ends=0.0)
        with pytest.raises(Denied, match="ExpiredTokenException"):
            job.log_in(LOCAL, monkeypatch)

    def test_aws_is_reached_through_the_proxy_of_the_environment(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.env |= aws.user(f"proxy-{job.key}")
        job.env |= {"AWS_ENDPOINT_URL": "http://aws.test", "AWS_MAX_ATTEMPTS": "1"}
        monkeypatch.setenv("HTTP_PROXY", f"http://{aws.api.host}")
        monkeypatch.setenv("http_proxy", f"http://{aws.api.host}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        job.log_in(LOCAL, monkeypatch)
        assert aws.api.requests("POST http://aws.test/")

    def test_the_environment_of_other_steps_is_not_there_to_be_written(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.env |= {**aws.user(f"env2-{job.key}"), "GITHUB_ENV": str(job.top / "github-env")}
        folder = job.log_in(LOCAL, monkeypatch)
        assert job.exported == {}
        assert [path.name for path in Path(folder).iterdir()] == ["config.json"]
