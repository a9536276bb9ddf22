"""The commands of a lane at S3 as moto has it: upload, index, what pip gets, yank, withdraw, restore, purge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.aws.bucket import KEYS, StrictS3
from support.lanes.catalogues import BUCKET as USUAL
from support.lanes.catalogues import LANES as USUAL_LANES
from support.lanes.channels import names, wheel_file
from support.lanes.memory_s3 import Stored
from support.lanes.served_index import served_index
from support.lanes.signed import CLAIMS, key, pem

TOP = Path(__file__).parents[3]
ONE, TWO = names("1.0+acme", "1.1+acme")
PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"
NO_JOB = ("GITHUB_", "ACTIONS_", "AWS_")


class Commands:
    """A catalogue of lanes, wheels, and `inv` with S3 in reach.

    The bucket is one of its own: moto's are those of the process, and other tests put policies on the usual one.
    """

    def __init__(self, folder: Path, s3: StrictS3, bucket: str) -> None:
        self.folder = folder
        self.s3 = s3
        self.bucket = bucket
        self.lanes = USUAL_LANES.replace(USUAL, bucket)
        s3.create(bucket)
        (folder / "lanes.yml").write_text(self.lanes)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NO_JOB)}
        here = {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_ACCESS_KEY_ID": KEYS.id, "AWS_SECRET_ACCESS_KEY": KEYS.secret}
        self.env = {**kept, **here, "LOGNAME": "releaser"}

    def inv(self, *argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "imageyard", *argv, "--lanes", str(self.folder / "lanes.yml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP, env=self.env)
        assert done.returncode == code, done.stderr
        return done

    def yanked(self) -> dict[str, object]:
        """The files of the page, with the reason of those that are yanked."""
        files = json.loads(self.s3.objects(self.bucket)[PAGE])["files"]
        return {file["filename"]: file["yanked"] for file in files}

    def pip_gets(self, requirement: str) -> list[str]:
        """What pip downloads from the index, as the bucket is now."""
        target = self.folder / "got"
        now = datetime.now(timezone.utc)
        stored = {key: Stored(body, now, _media_type(key)) for key, body in self.s3.objects(self.bucket).items()}
        with served_index(stored, has_json=True) as server:
            argv = ["-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(target), "-i", server.url()]
            subprocess.run(
                [sys.executable, *argv, requirement], check=True, env={**self.env, "PIP_CONFIG_FILE": os.devnull}
            )
        found = sorted(path.name for path in target.iterdir())
        for path in target.iterdir():
            path.unlink()
        return found


def _media_type(key: str) -> str:
    types = {".html": "text/html", ".v1_json": "application/vnd.pypi.simple.v1+json"}
    return next((kind for ending, kind in types.items() if key.endswith(ending)), "application/octet-stream")


@pytest.fixture
def commands(request: pytest.FixtureRequest, tmp_path: Path, moto_s3: StrictS3) -> Commands:
    return Commands(tmp_path, moto_s3, request.node.originalname.replace("_", "-"))


def test_the_life_of_a_file(commands: Commands) -> None:
    dist = commands.folder / "dist"
    for name in (ONE, TWO):
        wheel_file(dist, name)
    upload = ("lane.upload", f"{dist}/*.whl", "--lane", "acme", "--channel")

    done = commands.inv(*upload, "stable")
    assert [line.split()[::2] for line in done.stdout.splitlines()] == [[ONE, "created"], [TWO, "created"]]
    statement = json.loads(commands.s3.objects(commands.bucket)[f"files/acme/stable/{ONE}.upload.json"])
    assert statement["by"] == {"system": "local", "user": "releaser"}
    assert "already there" in commands.inv(*upload, "stable").stdout
    refused = commands.inv(*upload, "nightly", code=10)
    assert (refused.stdout, refused.stderr.count("is no development release")) == ("", 2)

    assert "acme stable files=2 requests=0 pages=5" in commands.inv("lane.index").stdout
    assert commands.yanked() == {ONE: False, TWO: False}
    assert commands.pip_gets("torch-acme") == [TWO]

    asked = ("lane.yank", "acme", TWO, "--reason", "wrong ABI")
    before = commands.s3.objects(commands.bucket)
    assert '"action": "yank"' in commands.inv(*asked).stdout
    assert commands.s3.objects(commands.bucket) == before, "without --yes nothing is written"
    commands.inv(*asked, "--yes")
    assert "acme stable files=2 requests=1 pages=3" in commands.inv("lane.index", "acme").stdout
    assert commands.yanked() == {ONE: False, TWO: "wrong ABI"}
    assert commands.pip_gets("torch-acme") == [ONE]
    assert commands.pip_gets("torch-acme==1.1+acme") == [TWO]

    commands.inv("lane.withdraw", "acme", TWO, "--reason", "leaks a key", "--yes")
    commands.inv("lane.index", "--lane", "acme")
    assert commands.yanked() == {ONE: False}
    tags = commands.s3.client().get_object_tagging(Bucket=commands.bucket, Key=f"files/acme/stable/{TWO}")["TagSet"]
    assert tags == [{"Key": "imageyard-state", "Value": "withdrawn"}]

    commands.inv("lane.restore", "acme", TWO, "--reason", "it was another key", "--centre", "--yes")
    commands.inv("lane.index", "acme")
    assert commands.yanked() == {ONE: False, TWO: False}
    assert (
        commands.s3.client().get_object_tagging(Bucket=commands.bucket, Key=f"files/acme/stable/{TWO}")["TagSet"] == []
    )

    commands.inv("lane.purge", "acme", TWO, "--reason", "a miner is in it", "--yes", code=10)
    commands.inv("lane.withdraw", "acme", TWO, "--reason", "a miner is in it", "--centre", "--yes")
    told = commands.inv("lane.index", "acme").stderr
    assert "--distribution-id E2EXAMPLE --paths '/files/acme/stable/torch_acme-1.1*' '/index/acme/stable/*'" in told
    assert "is withdrawn, and its name stays taken" in commands.inv(*upload, "stable", code=10).stderr
    purge = ("lane.purge", "acme", TWO, "--reason", "a miner is in it")
    before = commands.s3.objects(commands.bucket)
    assert commands.inv(*purge).stdout.count(f"files/acme/stable/{TWO}") == 3
    assert commands.s3.objects(commands.bucket) == before, "without --yes nothing goes"
    commands.inv(*purge, "--yes")
    assert not [key for key in commands.s3.objects(commands.bucket) if TWO in key]
    assert commands.yanked() == {ONE: False}
    assert "acme stable files=1 requests=0 pages=1" in commands.inv("lane.index", "acme").stdout
    assert "no file gets its name again" in commands.inv(*upload, "stable", code=10).stderr


def test_the_status_of_a_lane(commands: Commands) -> None:
    wheel_file(commands.folder / "dist", ONE)
    commands.inv("lane.upload", f"{commands.folder}/dist/*.whl", "--lane", "acme", "--channel", "stable")
    (stable,) = _stable(commands.inv("lane.status", "acme", "--json").stdout)
    assert (stable["waiting"], stable["listed"], stable["consistent"]) == ([ONE], 0, True)
    commands.inv("lane.index", "acme")

    before = commands.s3.objects(commands.bucket)
    (stable,) = _stable(commands.inv("lane.status", "--lane", "acme", "--json").stdout)
    assert (stable["waiting"], stable["listed"], stable["consistent"], stable["cost"]) == ([], 1, True, "0.00")
    assert len(commands.inv("lane.status").stdout.splitlines()) == 1 + 4 * 2, "a line for each channel of each lane"
    assert commands.s3.objects(commands.bucket) == before, "nothing is written"

    commands.s3.client().delete_object(Bucket=commands.bucket, Key=f"files/acme/stable/{ONE}")
    lost = commands.inv("lane.status", "acme", code=10)
    assert f"acme stable: torch-acme/index.html names {ONE}, which is not there" in lost.stdout.splitlines()
    assert "the index is not true of acme stable" in lost.stderr


def _stable(text: str) -> list[dict[str, object]]:
    return [one for one in json.loads(text)["channels"] if one["channel"] == "stable"]


def test_a_signed_file_is_verified_by_whoever_gets_it(commands: Commands) -> None:
    """The key comes from a file that the environment names, and is in nothing that is printed or stored."""
    dist, secret, claims = commands.folder / "dist", commands.folder / "lane.pem", commands.folder / "origin.json"
    secret.write_text(pem())
    claims.write_text(json.dumps(CLAIMS))
    one = f"{{repository: acme-ai/torch-acme@812345678, keys: {{new: {key().public.line}}}}}"
    said = commands.lanes.replace("acme: acme-ai/torch-acme@812345678", f"acme: {one}", 1)
    (commands.folder / "lanes.yml").write_text(f"{said}channels: {{stable: {{provenance: required}}}}\n")
    path = wheel_file(dist, ONE)
    upload = ("lane.upload", f"{dist}/*.whl", "--lane", "acme", "--channel", "stable", "--origin", str(claims))

    assert "demands provenance" in commands.inv(*upload, code=4).stderr
    assert commands.s3.objects(commands.bucket) == {}
    commands.env["LANE_SIGNING_KEY_FILE"] = str(secret)
    assert "nobody says where" in commands.inv(*upload[:-2], code=4).stderr
    done = commands.inv(*upload)
    del commands.env["LANE_SIGNING_KEY_FILE"]
    objects = commands.s3.objects(commands.bucket)
    kept = "\n".join(secret.read_text().splitlines()[1:-1])
    assert not [key for key, body in objects.items() if kept.encode() in body]
    assert kept not in done.stdout + done.stderr
    commands.inv("lane.index", "acme")
    assert commands.yanked() == {ONE: False}

    assert "yes" in commands.inv("lane.verify", "acme").stdout
    (found,) = json.loads(commands.inv("lane.verify", "acme", "--json", "--file", ONE).stdout)
    assert (found["key"], found["why"], set(found["checks"].values())) == ("new", "", {"yes"})
    commands.inv("lane.verify", "acme", "--file", TWO, code=7)
    assert "no lane is named" in commands.inv("lane.verify", "--file", ONE, code=2).stderr
    local = ("lane.verify", "acme", "--local", str(path))
    assert "no .intoto.jsonl beside it" in commands.inv(*local, code=10).stderr
    path.with_name(f"{ONE}.intoto.jsonl").write_bytes(objects[f"files/acme/stable/{ONE}.intoto.jsonl"])
    assert ONE in commands.inv(*local).stdout

    result = ("lane.result", "acme", ONE, "--outcome", "passed", "--url", "https://ci.example/1")
    assert "no key" in commands.inv(*result, "--origin", str(claims), code=4).stderr
    commands.env["LANE_SIGNING_KEY_FILE"] = str(secret)
    assert "no outcome" in commands.inv("lane.result", "acme", ONE, code=2).stderr
    assert "posted" in commands.inv(*result, "--origin", str(claims)).stdout
    del commands.env["LANE_SIGNING_KEY_FILE"]
    (stable,) = _stable(commands.inv("lane.status", "acme", "--json").stdout)
    assert stable["tests"] == {"filename": ONE, "outcome": "passed", "url": "https://ci.example/1", "refused": ""}

    other = (commands.folder / "lanes.yml").read_text().replace(key().public.line, key(seed=2).public.line)
    (commands.folder / "lanes.yml").write_text(other)
    assert "none of the lane" in commands.inv("lane.verify", code=10).stderr
    assert "none of the lane" in commands.inv("lane.index", "acme").stderr
    assert commands.yanked() == {}
