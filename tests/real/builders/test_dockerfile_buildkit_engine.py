"""The recorded Dockerfiles on a real BuildKit: the whole context and our reader's files alone give one result."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from imageyard.builders import buildx
from support.engine.private import PrivateEngine

pytestmark = pytest.mark.engine

RECORD: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "buildkit-reads.json").read_text("utf-8"))
QUIET = [case for case in RECORD["cases"] if "RUN" not in case["dockerfile"]]
"""Without a step there is nothing to run: `scratch` will do as a base."""
READ = [case for case in QUIET if "reads" in case][::9]
REFUSED = [case for case in QUIET if "refused" in case][::9]


def context(dockerfile: str, only: list[str] | str = "everything") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in ["Dockerfile", *RECORD["files"], *RECORD["links"]]:
            if path != "Dockerfile" and only != "everything" and path not in only:
                continue
            member = tarfile.TarInfo(path)
            if path in RECORD["links"]:
                member.type, member.linkname = tarfile.SYMTYPE, RECORD["links"][path]
                tar.addfile(member)
                continue
            data = dockerfile.encode() if path == "Dockerfile" else path.encode()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def build(engine: PrivateEngine, folder: Path, case: dict[str, Any], tar: bytes) -> dict[str, str] | None:
    """What the built file system holds, or None where BuildKit refuses."""
    argv = [buildx.find(), "build", "--builder=default", "--file=Dockerfile", "--output=type=tar,dest=-"]
    argv += [f"--build-arg={name}={value}" for name, value in case.get("args", {}).items()]
    argv += [f"--target={case['target']}"] if "target" in case else []
    env = {**os.environ, **engine.env, "BUILDX_CONFIG": str(folder / "buildx")}
    done = subprocess.run([*argv, "-"], input=tar, capture_output=True, env=env)
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as result:
        return {
            member.name: member.linkname if member.issym() else result.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in result
            if not member.isdir()
        }


@pytest.mark.parametrize("case", READ, ids=lambda case: case["dockerfile"])
def test_the_files_of_the_record_are_enough(case: dict[str, Any], docker_engine: PrivateEngine, tmp_path: Path) -> None:
    whole = build(docker_engine, tmp_path, case, context(case["dockerfile"]))
    sealed = build(docker_engine, tmp_path, case, context(case["dockerfile"], case["reads"]))

    assert whole is not None
    assert sealed == whole


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["dockerfile"])
def test_what_the_record_calls_refused_is(case: dict[str, Any], docker_engine: PrivateEngine, tmp_path: Path) -> None:
    assert build(docker_engine, tmp_path, case, context(case["dockerfile"])) is None
