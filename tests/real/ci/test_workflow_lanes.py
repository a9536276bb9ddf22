"""The workflows of lanes, run as they are written: each by its own role, by the roles that lanes.yml derives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from imageyard.ci.providers.table import provider_of
from imageyard.lanes.document import parse
from imageyard.lanes.estate import estate
from imageyard.lanes.places import file_key
from support.lanes.channels import names, request
from support.lanes.memory_s3 import page_lies
from support.lanes.wheels import wheel
from support.workflow.scene import HOME, Scene, pretty

LANES = """\
bucket: lanes-{key}
region: us-east-1
account: "123456789012"
roles: "{key}"
centre: {home}@{number}
workflow: {home}/.github/workflows/lane-upload.yml@refs/heads/main
environment: lane-upload
quota: 1GiB
lanes:
  acme: acme-ai/torch-acme@812345678
"""
ONE, TWO = names("1.0+acme", "1.1+acme")
PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"


class Lanes(Scene):
    """A centre with one lane, whose bucket and roles are there."""

    @property
    def bucket(self) -> str:
        return f"lanes-{self.key}"

    def prepare(self) -> None:
        text = LANES.format(key=self.key, home=HOME.name, number=HOME.number)
        self.write("lanes.yml", text)
        self.commit("lanes")
        self.aws.client("s3").create_bucket(Bucket=self.bucket)
        for role in estate(parse(text), provider_of({})).roles:
            self.aws.role(role.name, role.policy, role.trust)
        refs = {environment: ["refs/heads/main"] for environment in ("lane-index", "lane-purge")}
        self.machine = replace(self.machine, refs={**self.machine.refs, **refs})

    def let(self) -> None:
        variables = {**self.machine.variables, "": {"LANE_INDEX": "on"}}
        self.machine = replace(self.machine, variables=variables)

    def put(self, key: str, body: bytes) -> None:
        self.aws.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def objects(self) -> dict[str, bytes]:
        s3 = self.aws.client("s3")
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())]
        return {key: s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def listed(self) -> list[str]:
        objects = self.objects()
        assert {"index/index.html", "index/status.json"} <= objects.keys(), "the page of all lanes is written too"
        indexes = {key: body for key, body in objects.items() if key.count("/") > 1}
        assert page_lies(indexes) == []
        return [file["filename"] for file in json.loads(objects[PAGE])["files"]]

    def log(self) -> list[Any]:
        objects = sorted(self.objects().items())
        return [json.loads(body)["content"] for key, body in objects if key.startswith("log/")]


@pytest.fixture
def lanes(idle_scene: Scene) -> Lanes:
    made = idle_scene
    scene = Lanes(made.top, made.machine, made.key, made.aws, made.oidc, made.open, made.ghcr, made.engine)
    scene.prepare()
    return scene


def test_a_file_is_listed_withdrawn_and_purged(lanes: Lanes) -> None:
    for name in (ONE, TWO):
        lanes.put(file_key("acme", "stable", name), wheel(name))
    assert lanes.schedule("lane-index.yml").started == []
    lanes.let()
    run = lanes.schedule("lane-index.yml")
    assert not run.failed, pretty(run)
    assert lanes.listed() == [TWO, ONE]

    asked = {"lane": "acme", "file": ONE, "reason": "a miner's in it; $(exit 1)", "delete": "true"}
    early = lanes.dispatch(name="lane-purge.yml", **asked)
    assert early.failed == ["purge"], pretty(early)
    assert "is not withdrawn" in early.log
    lanes.put("requests/acme/1.json", request("withdraw", ONE))
    run = lanes.dispatch(name="lane-index.yml")
    assert not run.failed, pretty(run)
    assert lanes.listed() == [TWO]

    told = lanes.dispatch(name="lane-purge.yml", **{**asked, "delete": "false"})
    assert not told.failed, pretty(told)
    assert file_key("acme", "stable", ONE) in lanes.objects(), "it was only told"
    done = lanes.dispatch(name="lane-purge.yml", **asked)
    assert not done.failed, pretty(done)
    assert file_key("acme", "stable", ONE) not in lanes.objects()
    assert [(entry["action"], entry["reason"]) for entry in lanes.log()][1:] == [
        ("purge", "a miner's in it; $(exit 1)"),
        ("purged", "a miner's in it; $(exit 1)"),
    ]
    assert not lanes.leaks(run, told, done)


@pytest.mark.parametrize("name", ["lane-index.yml", "lane-purge.yml"])
def test_another_branch_is_in_no_environment_of_theirs(lanes: Lanes, name: str) -> None:
    lanes.git("branch", "topic")
    inputs = {"lane": "acme", "file": ONE, "reason": "x"} if "purge" in name else {}
    run = lanes.dispatch("topic", name, **inputs)
    (failed,) = run.failed
    assert "is not allowed to deploy to lane-" in run.job(failed).log
