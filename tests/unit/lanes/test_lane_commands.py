"""What the commands of a lane refuse before they ask anybody, and who they say they are."""

from __future__ import annotations

import json
import os
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from imageyard.ci.providers.table import provider_of
from imageyard.cli import lane_proofs, lanes
from imageyard.cli.lane_catalogue import lane_for_request, lane_to_purge
from imageyard.console import Story
from imageyard.errors import ConfigurationError, Denied, NotFound, PolicyRefused
from imageyard.http.transport import Http
from imageyard.lanes.asking import Wanted, ask, channel_of
from imageyard.lanes.lane_access import LaneAccess
from imageyard.lanes.lane_rules import LaneChannel, lane_channel
from imageyard.lanes.places import requests_prefix
from imageyard.lanes.publish import files_of, index, upload
from invoke.context import Context
from invoke.exceptions import Exit
from support.github import oidc
from support.lanes.catalogues import LANES, UPLOAD, of
from support.lanes.channels import names
from support.lanes.memory_s3 import MemoryS3

TOP = Path(__file__).parents[3]
(ONE,) = names("1.0+acme")
WANTED = Wanted("yank", "acme", ONE, "it crashes", "releaser local")


def story() -> Story:
    return Story("plain", StringIO())


@pytest.mark.parametrize(
    ("version", "channel"), [("1.0+acme", "stable"), ("1.0rc1+acme", "stable"), ("1.0.dev1+acme", "nightly")]
)
def test_the_version_says_the_channel(version: str, channel: str) -> None:
    assert channel_of(names(version)[0]) == channel


@pytest.mark.parametrize("file", ["", "x", "torch_acme-1.0.tar.gz", f"../{ONE}"])
def test_what_is_no_file_of_a_lane(file: str) -> None:
    with pytest.raises(ConfigurationError):
        channel_of(file)


@pytest.mark.parametrize("file", ["evil.exe", "more/evil.exe", "torch_acme-1.0.tar.gz"])
def test_somebody_says_the_channel_of_what_is_no_wheel(file: str) -> None:
    assert channel_of(file, "nightly") == "nightly"
    assert channel_of(ONE, "nightly") == "nightly", "a wheel can lie where its name does not belong"
    with pytest.raises(ConfigurationError) as refused:
        channel_of(file, "beta")
    assert "--channel" in refused.value.hint[1]
    with pytest.raises(ConfigurationError, match="no channel"):
        channel_of(ONE, "beta")


@pytest.mark.parametrize(("centre", "asker"), [(False, "acme"), (True, "centre")])
def test_a_request_lies_below_who_asks(centre: bool, asker: str) -> None:
    s3 = MemoryS3()
    wanted = Wanted("yank", "acme", ONE, "it crashes", "releaser local", centre)
    assert ask(s3.bucket(), wanted, story(), yes=False).startswith(requests_prefix(asker))
    assert s3.calls == []
    ask(s3.bucket(), wanted, story(), yes=True)
    ((key, stored),) = s3.objects.items()
    assert key.startswith(requests_prefix(asker))
    assert json.loads(stored.body)["lane"] == "acme"


@pytest.mark.parametrize(("field", "value"), [("reason", ""), ("by", ""), ("disclosure", "tomorrow")])
def test_a_request_that_cannot_be_executed_is_not_put(field: str, value: str) -> None:
    s3 = MemoryS3()
    wanted = Wanted(**{**vars(WANTED), field: value})
    with pytest.raises(ConfigurationError):
        ask(s3.bucket(), wanted, story(), yes=True)
    assert s3.calls == []


def test_patterns_name_files(tmp_path: Path) -> None:
    for name in ("b.whl", "a.whl", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.whl").mkdir()
    assert files_of([f"{tmp_path}/*.whl", f"{tmp_path}/a.whl"]) == [tmp_path / "a.whl", tmp_path / "b.whl"]
    with pytest.raises(ConfigurationError, match="no file is at"):
        files_of([f"{tmp_path}/*.whl", f"{tmp_path}/*.none"])


def test_a_suspended_lane_uploads_nothing() -> None:
    found = of()
    access = LaneAccess(found, provider_of({}), Http(), lambda secret: None)
    with pytest.raises(PolicyRefused, match="suspended"):
        upload(found, lane_channel(found, "initech", "stable"), [], access, story())


def test_a_channel_that_fails_does_not_stop_the_others() -> None:
    seen = []

    def update(bucket: object, rules: LaneChannel) -> object:
        seen.append((rules.lane, rules.channel.name))
        raise Denied("no") if len(seen) == 1 else NotFound("gone")

    done, error = index(of(), None, MemoryS3().bucket(), story(), update)  # type: ignore[arg-type]
    assert done == []
    assert isinstance(error, Denied)
    assert len(seen) == 8


def test_a_job_says_what_its_token_claims() -> None:
    with oidc.served("repo:acme-ai/torch-acme:environment:lane-upload") as tokens:
        tokens.claims = {"repository": "acme-ai/torch-acme", "run_id": "42", "other": "else"}
        provider = provider_of({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "releaser", **tokens.env})
        access = LaneAccess(of(), provider, Http(), lambda secret: None)
        by = access.by()
    assert (by["system"], by["repository"], by["run_id"]) == (provider.name, "acme-ai/torch-acme", "42")
    assert "other" not in by
    assert access.by_in_words().startswith("releaser https://github.com/")


@pytest.mark.parametrize("command", [lanes.index, lanes.status, lanes.page, lane_proofs.verify])
def test_a_job_of_the_centre_has_the_role_of_the_indexer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Any
) -> None:
    """Whoever looks at all lanes: no other role reads all files and pages."""
    asked = []

    class Access:
        def bucket(self, role: str | None) -> None:
            asked.append(role)
            raise NotFound("no bucket is here")

    for module in (lanes, lane_proofs):
        monkeypatch.setattr(module, "access_of", lambda found, reporter: Access())
    (tmp_path / "lanes.yml").write_text(LANES)
    with pytest.raises(Exit):
        command(Context(), lanes=str(tmp_path / "lanes.yml"))
    assert asked == [of().indexer_role]


def test_a_lane_that_is_gone_is_written_again_before_the_centre_takes_back_its_files() -> None:
    """The indexer does nothing that is asked for a lane that it does not know: such a request would lie there."""
    assert lane_for_request(of(), "acme", centre=True) == "acme"
    for centre in (True, False):
        with pytest.raises(ConfigurationError, match="there is no lane 'hooli'") as refused:
            lane_for_request(of(), "hooli", centre=centre)
        assert any("state: suspended" in line for line in refused.value.hint) is centre


@pytest.mark.parametrize("lane", ["acme", "initech", "hooli"])
def test_files_of_a_lane_that_is_gone_can_be_purged(lane: str) -> None:
    assert lane_to_purge(of(), lane) == lane


@pytest.mark.parametrize("lane", ["", "..", "acme/../globex", "acme/", "ACME", "*"])
def test_what_is_no_lane_is_not_purged(lane: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no lane"):
        lane_to_purge(of(), lane)


@pytest.mark.parametrize("job", ["upload", "request"])
def test_the_workflow_runs_the_code_that_its_own_file_is_of(tmp_path: Path, job: str) -> None:
    """Of a reusable workflow these claims name the called file (GitHub Docs, "OpenID Connect reference")."""
    steps = yaml.safe_load((TOP / ".github" / "workflows" / "lane-upload.yml").read_text())["jobs"][job]["steps"]
    with oidc.served() as tokens:
        tokens.claims = {"job_workflow_ref": UPLOAD, "job_workflow_sha": "a" * 40, "repository": "acme-ai/torch-acme"}
        env = {**os.environ, **tokens.env, "GITHUB_OUTPUT": str(tmp_path / "output")}
        subprocess.run(["bash", "-e", "-c", steps[0]["run"]], env=env, check=True)
    assert (tmp_path / "output").read_text() == f"repository=example/main\ncommit={'a' * 40}\n"
