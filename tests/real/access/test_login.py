"""Logging in at ECR: which credentials a run gets, what they open, and what is said where there are none.

boto3, crane, buildx and our own client are the real ones; AWS and GitHub are `support.aws` and `support.github`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard.aws import Keys, call
from imageyard.builders import buildx
from imageyard.errors import (
    ConfigurationError,
    Denied,
    EnvironmentLacks,
    ImageyardError,
    NotFound,
    PolicyRefused,
    Transient,
)
from imageyard.names import Reference
from imageyard.plan.trust import Decision
from imageyard.registry.client import Client
from support.aws.served import EVERYTHING, Aws, trust_of
from support.github.oidc import Oidc
from support.registry.faults import Fault
from support.registry.served import put_image, tool
from support.yard.login import BRANCH, FORK, MAIN, PULL, TRUSTED, Scene, config_of, scene


def kept(job: Scene) -> Keys:
    return Keys.loads(Path(job.exported["IMAGEYARD_AWS_CREDENTIALS"]).read_text())


class TestWhatIsGiven:
    def test_it_opens_the_registry_to_every_client(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = job.log_in(TRUSTED, monkeypatch)

        monkeypatch.setenv("DOCKER_CONFIG", job.exported["DOCKER_CONFIG"])
        repository = Reference(aws.host, job.key)
        digest = put_image(Client(), repository, note=job.key)
        assert tool("crane", "digest", f"{repository}@{digest}") == digest
        tool("crane", "tag", f"{repository}@{digest}", "by-crane")
        tool(buildx.find(), "imagetools", "create", "--tag", f"{repository}:by-buildx", f"{repository}:by-crane")
        assert set(Client().tags(repository)) >= {"by-crane", "by-buildx"}
        assert folder == Path(job.exported["DOCKER_CONFIG"])
        assert f"Logged in at {aws.host} as arn:aws:sts::123456789012:assumed-role/trusted/imageyard" in job.story

    def test_a_store_of_the_user_does_not_stand_before_it(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The Docker CLI's library, which crane and buildx use, asks it first; this one has an old password."""
        helper = job.top / "docker-credential-theirs"
        reply = '{"Username": "AWS", "Secret": "of-yesterday"}'
        helper.write_text(
            f"#!/bin/sh\nread server\n[ $server = {aws.host} ] && echo '{reply}' && exit\n"
            "echo credentials not found in native keychain\nexit 1\n"
        )
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{job.top}{os.pathsep}{os.environ['PATH']}")
        (Path(job.env["HOME"]) / ".docker").mkdir()
        (Path(job.env["HOME"]) / ".docker" / "config.json").write_text('{"credsStore": "theirs"}')
        monkeypatch.setenv("DOCKER_CONFIG", str(job.log_in(TRUSTED, monkeypatch)))

        repository = Reference(aws.host, job.key)
        digest = put_image(Client(), repository, note=job.key)
        assert tool("crane", "digest", f"{repository}@{digest}") == digest
        assert digest in tool(buildx.find(), "imagetools", "inspect", f"{repository}@{digest}")

    def test_other_accounts_and_regions(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        """One password a region, for all hosts of it; a host that is no ECR's gets none."""
        mirrors = [
            "210987654321.dkr.ecr.us-east-1.amazonaws.com/acme/ci",
            "210987654321.dkr.ecr.eu-west-1.amazonaws.com/acme/ci",
            "123456789012.dkr-ecr.eu-west-1.on.aws/acme/ci",
            "quay.io/acme/ci",
        ]
        job.edit("mirrors: []", f"mirrors: [{', '.join(mirrors)}]")
        job.edit(', "create": "yes"', "")
        auths = config_of(job.log_in(TRUSTED, monkeypatch))["auths"]

        assert list(auths) == [aws.host, *(mirror.partition("/")[0] for mirror in mirrors[:3])]
        assert [operation for operation, _ in aws.api.operations].count("GetAuthorizationToken") == 2
        near, far = (aws.host, mirrors[0]), (mirrors[1], mirrors[2])
        values = [{auths[name.partition("/")[0]]["auth"] for name in names} for names in (near, far)]
        assert [len(value) for value in values] == [1, 1]
        assert values[0] != values[1]

    def test_a_password_that_ended_is_said_to_have(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_CONFIG", str(job.log_in(TRUSTED, monkeypatch)))
        aws.expire()
        with pytest.raises(Denied, match="Your authorization token has expired"):
            Client().tags(Reference(aws.host, job.key))
        with pytest.raises(Denied, match="ExpiredTokenException"):
            call("ecr", "describe_repositories", "us-east-1", "trying", caller=kept(job))
        monkeypatch.setenv("DOCKER_CONFIG", str(job.log_in(TRUSTED, monkeypatch)))
        with pytest.raises(NotFound):
            Client().get(Reference(aws.host, job.key, "nothing-yet"))

    def test_the_registry_is_shut_without_it(self, aws: Aws) -> None:
        with pytest.raises(Denied):
            Client(credentials=lambda _: None).tags(Reference(aws.host, "ci"))

    def test_only_its_owner_reads_the_folder(self, job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        mask = os.umask(0)
        try:
            folder = job.log_in(TRUSTED, monkeypatch)
        finally:
            os.umask(mask)

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
        assert modes == {"config.json": 0o600, "aws-credentials": 0o600}

    def test_later_steps_may_ask_the_api_as_the_same_role(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`inv push --force` asks whether a tag can be moved; other programs of the job keep what they have."""
        job.log_in(TRUSTED, monkeypatch)
        monkeypatch.setenv("IMAGEYARD_AWS_CREDENTIALS", job.exported["IMAGEYARD_AWS_CREDENTIALS"])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "or-of-another-step")

        found = call("ecr", "describe_repositories", "us-east-1", "trying", repositoryNames=[job.key])

        assert [one["repositoryName"] for one in found["repositories"]] == [job.key]
        assert aws.api.operations[-1][1].startswith("ASIA"), "signed by a session of the role"

    def test_the_role_goes_with_the_trust(self, job: Scene, oidc: Oidc, monkeypatch: pytest.MonkeyPatch) -> None:
        oidc.subject = PULL
        job.log_in(BRANCH, monkeypatch)
        assert "assumed-role/branch/imageyard" in job.story

    def test_one_role_may_be_for_both(
        self, job: Scene, roles: dict[str, str], oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        oidc.subject = PULL
        job.edit(f'{{"trusted": "{roles["trusted"]}", "branch": "{roles["branch"]}"}}', roles["branch"])
        job.log_in(BRANCH, monkeypatch)
        assert "assumed-role/branch/imageyard" in job.story

    def test_session_and_duration_are_the_catalogues(
        self, job: Scene, aws: Aws, roles: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.edit('"region"', '"session": "release-42", "duration": "15m", "region"')
        job.log_in(TRUSTED, monkeypatch)

        session = max(aws.principals.values(), key=lambda one: aws.principals[next(reversed(aws.principals))] is one)
        assert "assumed-role/trusted/release-42" in job.story
        assert session.name.endswith("/release-42")

    def test_a_second_login_goes_on_with_the_first(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        first = job.log_in(TRUSTED, monkeypatch)
        before = config_of(first)["auths"]
        job.env["DOCKER_CONFIG"] = str(first)

        assert job.log_in(TRUSTED, monkeypatch) == first
        assert set(config_of(first)["auths"]) == {aws.host}
        assert config_of(first)["auths"] != before


class TestRepositories:
    def test_those_that_a_trusted_run_writes_are_made(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.log_in(TRUSTED, monkeypatch)

        made = {name: one["imageTagMutability"] for name, one in aws.repositories().items() if job.key in name}
        assert made == {job.key: "IMMUTABLE_WITH_EXCLUSION", f"{job.key}-cache": "MUTABLE"}
        assert f"Made the repository {aws.host}/{job.key}, its content tags held fast" in job.story

    def test_those_that_a_branch_writes_can_be_built_over(
        self, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        oidc.subject = PULL
        job.log_in(BRANCH, monkeypatch)

        made = {name: one["imageTagMutability"] for name, one in aws.repositories().items() if job.key in name}
        assert made == {f"{job.key}-branch": "MUTABLE", f"{job.key}-branch-cache": "MUTABLE"}

    def test_a_run_that_writes_nothing_makes_none(
        self, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        oidc.subject = PULL
        job.log_in(Decision("branch", "pull_request", "pull request 17 is closed", "nothing"), monkeypatch)
        assert not [name for name in aws.repositories() if job.key in name]

    def test_one_for_both_levels_of_trust_is_not_held(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.edit(f"branch: {aws.host}/{job.key}-branch}}", f"branch: {aws.host}/{job.key}}}")
        job.log_in(TRUSTED, monkeypatch)
        assert aws.repositories()[job.key]["imageTagMutability"] == "MUTABLE"

    def test_a_mirror_at_ecr_is_one_too(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its floating tags move."""
        job.edit("mirrors: []", f"mirrors: [{aws.host}/{job.key}-mirror]")
        job.log_in(TRUSTED, monkeypatch)
        assert aws.repositories()[f"{job.key}-mirror"]["imageTagMutability"] == "MUTABLE"

    def test_what_moves_in_a_held_repository_and_what_does_not(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_CONFIG", str(job.log_in(TRUSTED, monkeypatch)))
        client, repository = Client(), Reference(aws.host, job.key)
        one, two = (client.get(repository.with_digest(put_image(client, repository, note=note))) for note in "12")
        for tag in ("linux-0123456789abcdef0123", "linux-weekly-20260131", f"sha256-{'0' * 64}"):
            client.put(repository.with_tag(tag), one.body, one.media_type)

        client.put(repository.with_tag("linux-weekly-20260131"), two.body, two.media_type)
        client.put(repository.with_tag(f"sha256-{'0' * 64}"), two.body, two.media_type)
        with pytest.raises(PolicyRefused, match="immutable"):
            client.put(repository.with_tag("linux-0123456789abcdef0123"), two.body, two.media_type)

    def test_a_second_login_makes_nothing(self, job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        job.log_in(TRUSTED, monkeypatch)
        said = job.story.count("Made the repository")
        job.log_in(TRUSTED, monkeypatch)
        assert (said, job.story.count("Made the repository")) == (2, 2)

    def test_nothing_is_made_or_asked_unless_the_catalogue_says_so(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.edit(', "create": "yes"', "")
        job.log_in(TRUSTED, monkeypatch)
        asked = [operation for operation, _ in aws.api.operations]
        assert asked == ["AssumeRoleWithWebIdentity", "GetAuthorizationToken"]

    def test_a_run_that_was_faster_is_no_error(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        aws.repository(job.key)
        aws.repository(f"{job.key}-cache")
        body = b'{"__type": "RepositoryNotFoundException", "message": "not there, a moment ago"}'
        targets = {"x-amzn-errortype": "RepositoryNotFoundException", "Content-Length": str(len(body))}
        original = aws.api.own

        def late(handler: object, content: bytes) -> object:
            from support.registry.faults import Answer

            if "DescribeRepositories" in (handler.headers.get("X-Amz-Target") or ""):  # type: ignore[attr-defined]
                return Answer(400, targets, body)
            return original(handler, content)  # type: ignore[arg-type]

        monkeypatch.setattr(aws.api, "own", late)
        job.log_in(TRUSTED, monkeypatch)
        assert "Made the repository" not in job.story

    def test_without_the_permission_it_is_named(
        self, job: Scene, aws: Aws, roles: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow = {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "ecr:DescribeRepositories"]}
        aws.role("trusted", {"Version": "2012-10-17", "Statement": [{**allow, "Resource": "*"}]}, trust_of(MAIN))
        with pytest.raises(Denied, match="AccessDenied") as refused:
            job.log_in(TRUSTED, monkeypatch)
        assert f"making the repository {aws.host}/{job.key}" in str(refused.value)
        assert "ecr:CreateRepository on arn:aws:ecr:us-east-1:" in str(refused.value)
        assert config_of(Path(job.exported["DOCKER_CONFIG"]))["auths"], "what was got is kept"


XML = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>\
<Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"""
Change = Callable[[Scene, Aws, Oidc], object]

REFUSALS: dict[str, tuple[Change, type[ImageyardError], str, str]] = {
    "the trust policy lets other jobs in": (
        lambda job, aws, oidc: setattr(oidc, "subject", PULL),
        Denied,
        "AWS sts answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        f'"token.actions.githubusercontent.com:sub": "{PULL}"',
    ),
    "there is no such role": (
        lambda job, aws, oidc: job.edit(":role/trusted", ":role/nobody"),
        Denied,
        "AccessDenied",
        "aws iam get-role --role-name nobody",
    ),
    "the token is for another audience": (
        lambda job, aws, oidc: setattr(oidc, "audience", "https://github.com/acme"),
        Denied,
        "InvalidIdentityToken: Incorrect token audience",
        "for the audience https://github.com/acme",
    ),
    "the token ended": (
        lambda job, aws, oidc: setattr(oidc, "life", -10.0),
        Denied,
        "ExpiredTokenException: Token expired",
        "the clock of this machine",
    ),
    "the role allows no session of that length": (
        lambda job, aws, oidc: job.edit('"region"', '"duration": "2h", "region"'),
        ConfigurationError,
        "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration",
        "aws iam update-role --role-name trusted --max-session-duration 7200",
    ),
    "the role may ask for no password": (
        lambda job, aws, oidc: aws.role(
            "trusted", {**EVERYTHING, "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        ),
        Denied,
        "AWS ecr answers AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/trusted/imageyard",
        "ecr:GetAuthorizationToken",
    ),
    "nobody answers for AWS": (
        lambda job, aws, oidc: job.env.update(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1"),
        Transient,
        "AWS sts was not reached: Could not connect",
        "run it again",
    ),
    "AWS is down": (
        lambda job, aws, oidc: (job.env.update(AWS_MAX_ATTEMPTS="2"), aws.api.faults.append(Fault("POST", status=503))),
        Transient,
        "AWS sts answers 503",
        "run it again",
    ),
    "AWS asks to be left alone": (
        lambda job, aws, oidc: (
            job.env.update(AWS_MAX_ATTEMPTS="2"),
            aws.api.faults.append(Fault("POST", status=400, body=XML)),
        ),
        Transient,
        "AWS sts answers Throttling: Rate exceeded",
        "run it again",
    ),
    "GitHub does not know the job": (
        lambda job, aws, oidc: job.env.update(ACTIONS_ID_TOKEN_REQUEST_TOKEN="of-another-job"),
        Denied,
        "gives this job no token (HTTP 401)",
        "permissions: id-token: write",
    ),
    "GitHub does not answer": (
        lambda job, aws, oidc: oidc.faults.append(Fault("GET", status=503)),
        Transient,
        "does not answer (HTTP 503)",
        "run the job again",
    ),
    "GitHub answers with something else": (
        lambda job, aws, oidc: oidc.faults.append(Fault("GET", status=200, body=b"<html>")),
        Transient,
        "gave no token",
        "run the job again",
    ),
    "GitHub's address is not HTTPS": (
        lambda job, aws, oidc: job.env.update(ACTIONS_ID_TOKEN_REQUEST_URL="http://198.51.100.7/token"),
        EnvironmentLacks,
        "ACTIONS_ID_TOKEN_REQUEST_URL is not an HTTPS address",
        "GitHub's runner",
    ),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSALS)
    def test_what_is_said(self, name: str, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch) -> None:
        change, kind, headline, hint = REFUSALS[name]
        change(job, aws, oidc)
        with pytest.raises(kind) as refused:
            job.log_in(TRUSTED, monkeypatch)
        assert headline in refused.value.headline
        assert refused.value.doing
        assert hint in str(refused.value)
        shown = str(refused.value)
        assert not [secret for secret in (*oidc.issued, oidc.bearer, *aws.secrets) if secret in shown]

    def test_a_token_that_ended_on_the_way_is_asked_for_again(
        self, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed = oidc.sign

        def late(audience: str) -> str:
            oidc.life = 300.0 if len(oidc.log) > 1 else -10.0
            return signed(audience)

        monkeypatch.setattr(oidc, "sign", late)
        job.log_in(TRUSTED, monkeypatch)
        assert len(oidc.log) == 2
        assert "assumed-role/trusted" in job.story

    @pytest.mark.parametrize("body", [XML, b""], ids=["throttled", "unavailable"])
    def test_what_passes_is_waited_for(
        self, body: bytes, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws.api.faults.append(Fault("POST", status=400 if body else 503, body=body, times=1))
        job.log_in(TRUSTED, monkeypatch)
        assert "assumed-role/trusted" in job.story

    def test_what_aws_quotes_of_a_token_is_not_repeated(
        self, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def quoting(form: dict[str, str]) -> tuple[str, str, int]:
            return "ValidationError", f"Value '{form['WebIdentityToken']}' at 'webIdentityToken' is not valid", 400

        monkeypatch.setattr(aws.api, "_refusal", quoting)
        with pytest.raises(ConfigurationError, match=r"Value '\*\*\*' at 'webIdentityToken'") as refused:
            job.log_in(TRUSTED, monkeypatch)
        assert oidc.issued[-1] not in repr(refused.value) + str(refused.value)


class TestJobsWithoutARight:
    def test_a_job_without_a_token_is_told_in_a_sentence_and_goes_on(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
            del job.env[name]
        folder = job.log_in(TRUSTED, monkeypatch)

        assert job.story.startswith(
            "::warning::no login at ECR: this job lacks the permission `id-token: write`, by which it takes its role\n"
        )
        assert aws.api.operations == []
        assert job.exported == {"DOCKER_CONFIG": str(folder)}

    def test_a_fork_gets_nothing_and_nobody_is_asked(
        self, job: Scene, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.env |= {"GHCR_PAT": "a-token", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "key"}
        (Path(job.env["HOME"]) / ".docker").mkdir()
        (Path(job.env["HOME"]) / ".docker" / "config.json").write_text('{"credsStore": "of-the-machine"}')
        folder = job.log_in(FORK, monkeypatch)

        assert job.story == "No login: the pull request comes from a fork; what is public can be read\n"
        assert (aws.api.operations, oidc.log, config_of(folder)) == ([], [], {})

    def test_keys_in_the_environment_of_a_job_are_not_taken_for_its_role(
        self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.env |= aws.user(f"someone-{job.key}")
        del job.env["ACTIONS_ID_TOKEN_REQUEST_URL"]
        job.log_in(TRUSTED, monkeypatch)
        assert "no login at ECR" in job.story
        assert [operation for operation, _ in aws.api.operations] == []

    def test_a_catalogue_that_says_no_role_for_its_ecr(
        self, tmp_path: Path, aws: Aws, oidc: Oidc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with scene(tmp_path / "job", aws, oidc, "") as job:
            job.edit(aws.host, "123456789012.dkr.ecr.us-east-1.amazonaws.com")
            job.log_in(TRUSTED, monkeypatch)
        assert "no login at 123456789012.dkr.ecr.us-east-1.amazonaws.com: the catalogue has no `ecr`" in job.story
