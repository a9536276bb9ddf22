"""What a refusal of AWS means, boto3 in front of a stand-in that answers as AWS's services do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.aws import KEPT, Keys, call, machine_keys
from imageyard.errors import ConfigurationError, Denied, ImageyardError, NotFound, Transient
from support.registry.faults import Fault, Proxy, running

SECRET, TOKEN = "mark-of-the-secret-key", "mark-of-the-session-token"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with running(Proxy(None)) as service:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{service.host}",
            "AWS_ACCESS_KEY_ID": "of-the-environment",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        yield service


def answer(service: Proxy, code: str, status: int = 400, message: str = "why") -> None:
    body = json.dumps({"__type": code, "message": message}).encode()
    service.faults.append(Fault("POST", status=status, body=body, headers={"Content-Type": "application/json"}))


def ask(**options: object) -> object:
    return call("ecr", "describe_repositories", "us-east-1", "trying", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, Denied),
        ("UnrecognizedClientException", 400, Denied),
        ("InvalidClientTokenId", 403, Denied),
        ("ExpiredTokenException", 400, Denied),
        ("InvalidSignatureException", 400, Denied),
        ("SignatureDoesNotMatch", 403, Denied),
        ("IncompleteSignature", 400, Denied),
        ("BlockedByOrganizationPolicyException", 403, Denied),
        ("RepositoryNotFoundException", 400, NotFound),
        ("InvalidParameterException", 400, ConfigurationError),
        ("ValidationException", 400, ConfigurationError),
        ("ServerException", 500, Transient),
        ("ThrottlingException", 400, Transient),
        ("SomethingNew", 418, Transient),
    ],
)
def test_what_a_code_means(aws: Proxy, code: str, status: int, kind: type[ImageyardError]) -> None:
    answer(aws, code, status)
    with pytest.raises(kind) as refused:
        ask()
    assert refused.value.headline == f"AWS ecr answers {code}: why"
    assert refused.value.doing == "trying"


def test_a_page_of_some_proxy_is_not_told_whole(aws: Proxy) -> None:
    page = b"<html>" + b"<p>access to this site is blocked</p>\n" * 1000
    aws.faults.append(Fault("POST", status=403, body=page, headers={"Content-Type": "text/html"}))
    with pytest.raises(Denied) as refused:
        ask()
    assert len(refused.value.headline) < 600
    assert "\n" not in refused.value.headline


def test_the_callers_own_words_go_first(aws: Proxy) -> None:
    answer(aws, "AccessDeniedException")
    with pytest.raises(NotFound, match="AccessDeniedException why"):
        ask(refused=lambda code, words: NotFound(f"{code} {words}"))
    with pytest.raises(Denied):
        ask(refused=lambda code, words: None)


def test_it_is_tried_five_times(aws: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    aws.faults.append(Fault("POST", status=500))
    with pytest.raises(Transient):
        ask()
    assert len(aws.requests("POST")) == 5


class TestWho:
    def signer(self, service: Proxy) -> str:
        answer(service, "AccessDeniedException")
        with pytest.raises(ImageyardError):
            ask()
        return service.log[-1][1]["authorization"].partition("Credential=")[2].partition("/")[0]

    def test_the_environment(self, aws: Proxy) -> None:
        assert self.signer(aws) == "of-the-environment"

    def test_the_login_of_the_job_goes_first(self, aws: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "keys").write_text(Keys("of-the-login", SECRET, TOKEN).dumps())
        monkeypatch.setenv(KEPT, str(tmp_path / "keys"))
        assert self.signer(aws) == "of-the-login"
        assert aws.log[-1][1]["x-amz-security-token"] == TOKEN

    @pytest.mark.parametrize("content", [None, "", "{", "[]", "\0"])
    def test_a_login_that_is_gone(
        self, aws: Proxy, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if content is not None:
            (tmp_path / "keys").write_text(content)
        monkeypatch.setenv(KEPT, str(tmp_path / "keys"))
        with pytest.raises(ConfigurationError, match=KEPT):
            ask()

    def test_keys_do_not_show_themselves(self) -> None:
        keys = Keys("id", SECRET, TOKEN)
        assert Keys.loads(keys.dumps()) == keys
        assert not {SECRET, TOKEN} & set(repr(keys).replace("'", " ").split())
        assert SECRET not in repr(keys) + str(keys)


def test_a_pods_own_credentials(aws: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS, and EKS's pod identity, name an address on this machine; they count as the machine's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    given = {
        "AccessKeyId": "of-the-pod",
        "SecretAccessKey": SECRET,
        "Token": TOKEN,
        "Expiration": "2099-01-01T00:00:00Z",
    }
    body = json.dumps(given).encode()
    aws.faults.append(Fault("GET /pod", status=200, body=body))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{aws.host}/pod")
    with pytest.raises(Denied, match="there are no AWS credentials"):
        ask()
    assert aws.log == []
    found = machine_keys("trying")
    assert found == Keys("of-the-pod", SECRET, TOKEN, found.expires if found else None)
