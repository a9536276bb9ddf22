"""The workflows that keep images, run as they are written: each by its own role, and nothing before it is let."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.access.aws_policies import policies
from imageyard.catalogue import expand
from imageyard.ci.providers.github.token_claims import KEEPING_JOBS
from imageyard.ci.providers.table import provider_of
from imageyard.names import Arch, Digest, Reference
from support.aws.served import ACCOUNT
from support.registry.served import PASSWORD, platform, put_index
from support.workflow.scene import BASE, HOME, PLAIN, TOOL, Scene, outcomes, pretty
from support.yard.promoted import put_row

ECR = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
OLD = f"{PLAIN}-{'0' * 20}"


class Keeping(Scene):
    """A repository whose images are published; its bucket is of this machine, and its roles are those that we print."""

    def let(self, *workflows: str) -> None:
        """Set the repository's variables that let these workflows do their work on schedule."""
        named = {f"DOCKER_{name.upper()}": "on" for name in workflows}
        self.machine = replace(self.machine, variables={**self.machine.variables, "": named})

    @property
    def bucket(self) -> str:
        return f"saved-{self.key}"

    def prepare(self) -> None:
        """Name the bucket in the catalogue, make it and the roles, and publish every image."""
        self.aws.client("s3").create_bucket(Bucket=self.bucket)
        self.aws.client("ecr").create_repository(repositoryName=self.name)
        text = (self.top / ".ci/docker/images.yml").read_text()
        text = f"backup: {{bucket: {self.bucket}, prefix: ci, region: us-east-1}}\n{text}"
        self.write("images.yml", text.replace(self.aws.host, ECR))
        catalogue = expand.load(self.top / ".ci/docker/images.yml", self.top)
        printed = policies(catalogue, provider_of({}), HOME)
        self.write("images.yml", text)
        self.commit("a bucket")
        variables: dict[str, dict[str, str]] = {}
        for role, (environment, _) in KEEPING_JOBS.items():
            arn = self.aws.role(f"{role}-{self.key}", printed[role]["policy"], printed[role]["trust"])
            variables[environment] = {"ROLE": arn}
        refs = {environment: ["refs/heads/main"] for environment in variables}
        secrets = {**self.machine.secrets, "docker-retention": {"GHCR_PAT": PASSWORD}}
        refs = {**self.machine.refs, **refs}
        self.machine = replace(self.machine, variables=variables, refs=refs, secrets=secrets)
        for image in (TOOL, PLAIN):
            self.publish(image, "amd64")
        arches: tuple[Arch, ...] = ("amd64", "arm64")
        rows = {self.publish(BASE, arch): platform(arch) for arch in arches}
        put_index(self.open.client(), self.at(self.tag_of(BASE)), rows)
        self.publish(PLAIN, "amd64", OLD)

    def at(self, tag: str) -> Reference:
        """A tag of the trusted repository, at the registry behind ECR."""
        return Reference(self.open.host, self.name, tag)

    def publish(self, image: str, arch: Arch, tag: str = "") -> Digest:
        """Put a row under its tag, or under another one, without building it."""
        (explained,) = json.loads(self.inv("tag", image, "--arch", arch, "--explain", "--json"))
        client, place = self.open.client(), self.at(tag or explained["tag"])
        digest = put_row(client, place, arch, explained["inputs"], note=f"{self.key} {place.tag}")
        raw = client.get(place.with_digest(digest))
        return client.put(place, raw.body, raw.media_type)

    def digests(self) -> dict[str, Digest]:
        return {tag: self.digest(tag) for tag in self.tags()}

    def saved(self) -> set[str]:
        listed = self.aws.client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return {entry["Key"] for entry in listed}


@pytest.fixture
def keeping(idle_scene: Scene) -> Keeping:
    made = idle_scene
    scene = Keeping(made.top, made.machine, made.key, made.aws, made.oidc, made.open, made.ghcr, made.engine)
    scene.prepare()
    return scene


def test_retention_deletes_nothing_before_it_is_let(keeping: Keeping) -> None:
    before = keeping.digests()
    assert keeping.schedule("docker-retention.yml").started == []
    run = keeping.dispatch(name="docker-retention.yml")
    assert not run.failed, pretty(run)
    assert run.started == ["retain"], "there is no page before somebody says where"
    assert "retention-" in run.log, "it is the role of retention"
    report = json.loads((run.artifacts["retention"] / "report.json").read_text())
    assert OLD in json.dumps(report)
    assert keeping.digests() == before

    keeping.let("retention")
    run = keeping.schedule("docker-retention.yml")
    assert not run.failed, pretty(run)
    assert "retention/report.json --yes" in scripts(keeping)
    assert keeping.digests() == before, "a registry that tells no times was seen for the first time"
    assert not keeping.leaks(run)

    saved = keeping.machine.folder / "caches" / "refs_heads_main"
    newest = max(saved.iterdir(), key=lambda one: one.stat().st_mtime_ns)
    long_ago = datetime.now(timezone.utc) - timedelta(days=400)
    cached: set[str] = set()
    for state in (newest / ".imageyard/retention").iterdir():
        content = json.loads(state.read_text())
        cached |= set(content["first_seen"])
        content["first_seen"] = dict.fromkeys(content["first_seen"], long_ago.isoformat())
        state.write_text(json.dumps(content))
    assert cached >= set(before.values())
    run = keeping.schedule("docker-retention.yml")
    assert not run.failed, pretty(run)
    assert {tag: digest for tag, digest in before.items() if tag != OLD} == keeping.digests(), "it got old by the cache"


def scripts(scene: Scene) -> str:
    """All that the steps of the last run were to do."""
    return "\n".join(file.read_text() for file in scene.machine.folder.rglob("files/*.sh"))


def test_what_was_backed_up_at_night_comes_back_by_hand(keeping: Keeping) -> None:
    assert keeping.schedule("docker-backup.yml").started == []
    keeping.let("backup")
    run = keeping.schedule("docker-backup.yml")
    assert not run.failed, pretty(run)
    assert f"backup-{keeping.key}" in run.log, "it is the role of backups"
    before = {tag: digest for tag, digest in keeping.digests().items() if tag != OLD}
    assert {f"ci/tags/{keeping.aws.host}/{keeping.name}/{tag}.json" for tag in before} <= keeping.saved()

    client = keeping.open.client()
    for digest in dict.fromkeys(before.values()):
        client.delete(keeping.at("").with_digest(digest))
    assert set(keeping.digests()) == {OLD}
    run = keeping.dispatch(name="docker-recover.yml", pattern="*")
    assert not run.failed, pretty(run)
    assert set(keeping.digests()) == {OLD}, "it was only told"
    run = keeping.dispatch(name="docker-recover.yml", pattern="*", **{"bring-back": "true"})
    assert not run.failed, pretty(run)
    assert {tag: digest for tag, digest in keeping.digests().items() if tag != OLD} == before
    assert not keeping.leaks(run)


def test_what_a_push_publishes_it_backs_up(keeping: Keeping) -> None:
    """Here it has an image to promote; a backup that fails is told by the report, and run again alone."""
    text = (keeping.top / ".ci/docker/images.yml").read_text()
    keeping.write("images.yml", "".join(line for line in text.splitlines(True) if not line.startswith("mirrors:")))
    keeping.commit("no mirror")
    whole = keeping.tag_of(BASE)
    keeping.open.client().delete(keeping.at("").with_digest(keeping.digest(whole)))
    s3 = keeping.aws.client("s3")
    s3.delete_bucket(Bucket=keeping.bucket)
    run = keeping.push()
    assert run.started == ["decide", f"promote {BASE}", f"backup {BASE}", "report"], pretty(run)
    assert run.failed == [f"backup {BASE}", "report"], pretty(run)
    assert outcomes(run)[f"{BASE} backup"] == "failed"

    s3.create_bucket(Bucket=keeping.bucket)
    again = keeping.again(run)
    assert not again.failed, pretty(again)
    assert outcomes(again)[f"{BASE} backup"] == "done"
    entry = f"ci/tags/{keeping.aws.host}/{keeping.name}/{whole}.json"
    assert {entry, f"ci/generations/{keeping.git('rev-parse', 'main')}.json"} <= keeping.saved()
    assert not keeping.leaks(run, again)


@pytest.mark.parametrize("name", ["docker-retention.yml", "docker-backup.yml", "docker-recover.yml"])
def test_another_branch_is_in_no_environment_of_theirs(keeping: Keeping, name: str) -> None:
    keeping.git("branch", "topic")
    run = keeping.dispatch("topic", name, **({"pattern": "*"} if "recover" in name else {}))
    (failed,) = run.failed
    assert "is not allowed to deploy to docker-" in run.job(failed).log


GH = """\
#!/bin/sh
echo "$@" >> "$GH_CALLS"
case "$1 $2" in
    "pr list") while test "$1" != --jq; do shift; done; jq --raw-output "$2" "$GH_CALLS.open";;
esac
"""


def test_the_refresh_is_one_pull_request_of_one_file(keeping: Keeping, tmp_path: Path) -> None:
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    env = {**keeping.machine.env, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "GH_CALLS": str(calls)}
    keeping.machine = replace(keeping.machine, env=env)
    assert keeping.schedule("docker-refresh.yml").started == []
    keeping.let("refresh")
    own, forks = {"isCrossRepository": False}, {"isCrossRepository": True}
    for open_before in ([], [forks], [own, forks]):
        (tmp_path / "calls.open").write_text(json.dumps(open_before))
        calls.write_text("")
        run = keeping.schedule("docker-refresh.yml")
        assert not run.failed, pretty(run)
        assert run.started == ["lock", "propose"]
        changed = keeping.git("diff", "--name-only", "main", "docker-refresh").splitlines()
        assert changed == [".ci/docker/images.lock"]
        assert keeping.git("show", "docker-refresh:.ci/docker/images.lock").startswith("epoch 20")
        said = calls.read_text()
        assert said.count("pr create --head docker-refresh --base main") == (own not in open_before)
        assert "workflow run docker-builds.yml --ref docker-refresh" in said
