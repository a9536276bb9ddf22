"""Logging in at GitHub's registry, which stand-ins of this machine are: where, with which token, and when not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard.errors import Denied, EnvironmentLacks, Transient
from imageyard.plan.trust import LOCAL
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential, DockerConfig
from support.aws.served import Aws
from support.registry.bearer import Bearer
from support.registry.faults import Answer, Fault, running
from support.registry.served import PASSWORD, USER, Served, put_image, tool
from support.yard.login import BRANCH, TRUSTED, Scene, config_of


class Ghcr(Bearer):
    """The token protocol with GitHub's way of asking: at `/v2/` it names a repository of nobody's."""

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        answer = super().own(handler, body)
        if handler.path == "/v2/" and (handler.headers.get("Authorization") or "").partition(" ")[2] in self.tokens:
            return Answer(200, {"Content-Length": "2"}, b"{}")
        if handler.path == "/v2/" and answer:
            name = "repository:user/image:pull"
            answer.headers = [(key, value.replace("repository::pull", name)) for key, value in answer.headers]
        return answer


@pytest.fixture(scope="module")
def ghcr(registry: Served) -> Iterator[Ghcr]:
    with running(Ghcr(registry.host, {USER: PASSWORD})) as service:
        assert isinstance(service, Ghcr)
        yield service


@pytest.fixture(params=["basic", "token"])
def mirror(request: pytest.FixtureRequest, job: Scene, locked_registry: Served, ghcr: Ghcr) -> str:
    """The mirror's host, in the job's catalogue, its token in the environment of the job."""
    ghcr.faults.clear()
    ghcr.log.clear()
    host = locked_registry.host if request.param == "basic" else ghcr.host
    job.edit("mirrors: []", f"mirrors: [{host}/acme/ci]")
    job.env["GHCR_PAT"] = PASSWORD
    return host


def test_a_run_that_mirrors_can_write_the_mirror(
    job: Scene, aws: Aws, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = job.log_in(TRUSTED, monkeypatch)

    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    from imageyard.names import Reference

    repository = Reference(mirror, "acme/ci")
    digest = put_image(Client(), repository, note=job.key)
    assert tool("crane", "digest", f"{repository}@{digest}") == digest
    assert set(config_of(folder)["auths"]) == {aws.host, mirror}
    assert f"Logged in at {mirror} as {USER} by GHCR_PAT" in job.story


@pytest.mark.parametrize("decision", [BRANCH, replace(TRUSTED, mirror=False)], ids=["branch", "weekly"])
def test_a_run_that_does_not_mirror_has_no_token(
    job: Scene, mirror: str, decision: object, roles: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although its environment has one."""
    job.edit(roles["branch"], roles["trusted"])
    folder = job.log_in(decision, monkeypatch)  # type: ignore[arg-type]
    assert mirror not in config_of(folder)["auths"]
    assert PASSWORD not in (folder / "config.json").read_text()


def test_a_token_that_is_refused_is_known_at_once(job: Scene, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job.env["GHCR_PAT"] = "ghp_of_someone_who_left"
    with pytest.raises(Denied, match=mirror) as refused:
        job.log_in(TRUSTED, monkeypatch)
    assert "is GHCR_PAT still good, and has it write:packages?" in str(refused.value)
    assert "ghp_of_someone" not in str(refused.value)
    assert "ghp_of_someone" not in Path(job.exported["DOCKER_CONFIG"], "config.json").read_text()


def test_nobody_answers(job: Scene, ghcr: Ghcr, monkeypatch: pytest.MonkeyPatch) -> None:
    ghcr.faults.append(Fault("GET", status=503))
    job.edit("mirrors: []", f"mirrors: [{ghcr.host}/acme/ci]")
    job.env["GHCR_PAT"] = PASSWORD
    with pytest.raises(Transient, match=ghcr.host):
        job.log_in(TRUSTED, monkeypatch)
    ghcr.faults.clear()


def test_the_check_asks_for_no_repository(job: Scene, ghcr: Ghcr, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that GitHub's challenge names is nobody's; asking for it is refused there."""
    ghcr.log.clear()
    job.edit("mirrors: []", f"mirrors: [{ghcr.host}/acme/ci]")
    job.env["GHCR_PAT"] = PASSWORD
    job.log_in(TRUSTED, monkeypatch)
    assert ghcr.requests("/token") == ["GET /token?service=stand-in"]


def test_without_a_token_the_job_goes_on(job: Scene, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del job.env["GHCR_PAT"]
    job.log_in(TRUSTED, monkeypatch)
    said = f"No login at {mirror}: neither GHCR_PAT nor GITHUB_TOKEN is in this step's environment"
    assert said in job.story.splitlines()


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"GHCR_PAT": PASSWORD, "GITHUB_TOKEN": "other"}, "GHCR_PAT"),
        ({"GITHUB_TOKEN": PASSWORD}, "GITHUB_TOKEN"),
        ({"GHCR_PAT": "", "GITHUB_TOKEN": PASSWORD}, "GITHUB_TOKEN"),
        ({"GHCR_PAT": f"{PASSWORD}\n"}, "GHCR_PAT"),
    ],
    ids=["both", "the job's", "an unset secret is empty", "pasted with a line break"],
)
def test_which_token(
    job: Scene, mirror: str, given: dict[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del job.env["GHCR_PAT"]
    job.env |= given
    folder = job.log_in(TRUSTED, monkeypatch)
    assert f"by {variable}" in job.story
    assert DockerConfig(folder).find(mirror) == Credential(USER, PASSWORD)


@pytest.mark.parametrize(
    ("catalogue", "actor", "user"),
    [("ghcr: {user: bot}", "someone", "bot"), ("", "someone", "someone"), ("", "", "acme")],
    ids=["the catalogue's", "who started the job", "the owner"],
)
def test_which_user(
    job: Scene, registry: Served, catalogue: str, actor: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open registry takes any, as GitHub's does beside a good token."""
    job.edit("ghcr: {user: ci-user}", catalogue)
    job.edit("mirrors: []", f"mirrors: [{registry.host}/acme/ci]")
    job.env |= {"GHCR_PAT": "token", "GITHUB_ACTOR": actor}
    folder = job.log_in(TRUSTED, monkeypatch)
    assert DockerConfig(folder).find(registry.host) == Credential(user, "token")


def test_no_other_host_is_sent_the_token(job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job.edit("mirrors: []", "mirrors: [quay.io/acme/ci, docker.io/acme/ci]")
    job.env["GHCR_PAT"] = PASSWORD
    folder = job.log_in(TRUSTED, monkeypatch)
    assert PASSWORD not in (folder / "config.json").read_text()
    assert "quay.io" not in config_of(folder)["auths"]
    assert "No login at quay.io: what the Docker configuration has for it is used" in job.story.splitlines()


def test_images_at_ghcr_itself(job: Scene, ghcr: Ghcr, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue without ECR: who writes images there needs the token, at either level of trust."""
    text = (job.top / "images.yml").read_text()
    job.catalogue("\n".join(line for line in text.splitlines() if not line.startswith(("ecr", "cache"))) + "\n")
    job.edit(aws.host, ghcr.host)
    job.env["GITHUB_TOKEN"] = PASSWORD
    folder = job.log_in(BRANCH, monkeypatch)
    assert list(config_of(folder)["auths"]) == [ghcr.host]


def test_a_run_of_ci_cannot_ask_for_more_than_its_event_gives(
    job: Scene, mirror: str, roles: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job.edit(roles["branch"], roles["trusted"])
    folder = job.log_in(BRANCH, monkeypatch, with_ghcr=True)
    assert PASSWORD not in (folder / "config.json").read_text()


class TestOnAPersonsMachine:
    @pytest.fixture(autouse=True)
    def at_home(self, job: Scene, mirror: str, aws: Aws) -> None:
        for name in ("GITHUB_ACTIONS", "RUNNER_TEMP", "GITHUB_ENV"):
            del job.env[name]
        job.form = "plain"
        job.env |= {"XDG_RUNTIME_DIR": str(job.top / "runtime"), **aws.user(f"person-{job.key}")}

    def test_ghcr_is_only_logged_in_at_when_asked(
        self, job: Scene, mirror: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert mirror not in config_of(job.log_in(LOCAL, monkeypatch))["auths"]
        assert mirror in config_of(job.log_in(LOCAL, monkeypatch, with_ghcr=True))["auths"]

    def test_who_has_no_aws_credentials_gets_what_was_asked_for(
        self, job: Scene, mirror: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del job.env["AWS_ACCESS_KEY_ID"], job.env["AWS_SECRET_ACCESS_KEY"]
        assert list(config_of(job.log_in(LOCAL, monkeypatch, with_ghcr=True))["auths"]) == [mirror]
        assert "warning: no login at ECR: there are no AWS credentials" in job.story

    def test_images_at_ghcr_wait_to_be_asked_for(self, job: Scene, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        text = (job.top / "images.yml").read_text()
        job.catalogue("\n".join(line for line in text.splitlines() if not line.startswith(("ecr", "cache"))) + "\n")
        job.edit(aws.host, "ghcr.io")
        assert config_of(job.log_in(LOCAL, monkeypatch)) == {}
        assert job.story == "No login at ghcr.io: it was not asked for (inv login --ghcr)\n"

    def test_a_catalogue_without_a_registry(self, job: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = ("images", "axes", "  ")
        text = (job.top / "images.yml").read_text()
        job.catalogue("\n".join(line for line in text.splitlines() if line.startswith(kept)) + "\n")
        job.log_in(LOCAL, monkeypatch)
        assert job.story == "No login: the catalogue names no registry\n"

    def test_asking_without_a_token_is_an_error(self, job: Scene, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
        del job.env["GHCR_PAT"]
        with pytest.raises(EnvironmentLacks, match=f"there is no token for {mirror}") as lacking:
            job.log_in(LOCAL, monkeypatch, with_ghcr=True)
        assert "export GHCR_PAT=" in str(lacking.value)
