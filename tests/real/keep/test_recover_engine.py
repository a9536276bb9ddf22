"""Images that were lost are recovered into engines, and run: with their digests where the image store keeps any."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, Reference
from imageyard.oci.manifests import digest_of
from imageyard.stack.emulation import ensure_emulation
from support.aws.bucket import StrictS3, s3_served
from support.engine.private import PrivateEngine
from support.registry.runnable import put_runnable
from support.registry.served import Served, platform, put_index, serve, tool
from support.yard.backed_up import Scene
from support.yard.promoted import BOTH

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

MACHINES: Mapping[Arch, str] = {"amd64": "x86_64", "arm64": "aarch64"}


@pytest.fixture(scope="module")
def s3() -> Iterator[StrictS3]:
    with s3_served() as served:
        yield served


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A registry of the test's own, which it may empty."""
    yield from serve(tmp_path / "registry")


@pytest.fixture(params=["containerd", "classic"])
def engine(request: pytest.FixtureRequest) -> PrivateEngine:
    """Each of the two image stores."""
    found: PrivateEngine = request.getfixturevalue(
        "docker_engine" if request.param == "containerd" else "classic_engine"
    )
    return found


@pytest.fixture
def scene(tmp_path: Path, own: Served, s3: StrictS3, roots: Mapping[Arch, bytes]) -> Scene:
    """An image for two architectures that run, signed, backed up, and lost at the registry."""
    made = Scene(tmp_path / "checkout", own, s3)
    rows = {}
    for arch in MACHINES:
        place = made.place.with_tag(made.yard.row_tag(BOTH, arch))
        rows[put_runnable(made.client, place, roots[arch], arch, made.yard.key)] = platform(arch)
    index = made.place.with_tag(made.yard.index_tag(BOTH))
    put_index(made.client, index, rows)
    cosign = {"COSIGN_PASSWORD": "", "HOME": str(tmp_path)}
    tool("cosign", "generate-key-pair", f"--output-key-prefix={tmp_path}/signing", env=cosign)
    signed = index.with_digest(made.client.get(index).digest)
    tool("cosign", "sign", f"--key={tmp_path}/signing.key", "--tlog-upload=false", "--yes", signed, env=cosign)
    return made


def lose(scene: Scene) -> Mapping[str, bytes]:
    """Back up what there is and empty the registry; returns what there was."""
    before = scene.there()
    assert scene.inv("backup", BOTH) == 0, scene.said
    scene.empty()
    return before


def described(engine: PrivateEngine, name: object) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(engine.docker("image", "inspect", str(name)))[0]
    return found


def row_and_whole(scene: Scene) -> tuple[Reference, Reference]:
    return scene.place.with_tag(scene.yard.row_tag(BOTH, "amd64")), scene.place.with_tag(scene.yard.index_tag(BOTH))


def test_images_come_back_to_the_engine_and_run(scene: Scene, engine: PrivateEngine) -> None:
    scene.env |= engine.env
    before = lose(scene)
    row, whole = row_and_whole(scene)
    try:
        assert scene.inv("recover", BOTH, "--to", "engine") == 0, scene.said
        assert scene.said.count("comes back") == 3, "and not the signature"
        assert engine.docker("image", "ls", "--quiet", str(whole)) == "", "a dry run loads nothing"
        assert scene.inv("recover", BOTH, "--to", "engine", "--yes") == 0, scene.said
        entries = json.loads(before[whole.tag or ""])["manifests"]
        amd64 = next(entry["digest"] for entry in entries if entry["platform"]["architecture"] == "amd64")
        config = json.loads(before[amd64])["config"]["digest"]
        for name in (row, whole):
            found = described(engine, name)
            if engine.store == "classic":
                assert found["Id"] == config
                assert "no digests" in scene.said
            else:
                wanted = amd64 if name == row else digest_of(before[whole.tag or ""])
                assert found["Descriptor"]["digest"] == wanted  # type: ignore[index]
            assert engine.docker("run", "--rm", "--network=none", str(name), "uname", "-m") == "x86_64"
        assert scene.inv("recover", BOTH, "--to", "engine", "--yes") == 0, scene.said
        assert scene.said.count("is there") == 3
    finally:
        engine.docker("image", "rm", "--force", *map(str, scene.names(before)), check=False)


def test_a_name_that_is_another_image_in_the_engine_is_left_alone(scene: Scene, engine: PrivateEngine) -> None:
    scene.env |= engine.env
    before = lose(scene)
    row, whole = row_and_whole(scene)
    try:
        engine.docker("import", "-", str(row), stdin=b"\0" * 10240)
        other = described(engine, row)["Id"]
        assert scene.inv("recover", BOTH, "--to", "engine", "--yes") == 10, scene.said
        assert "is another image in the engine" in scene.said
        assert described(engine, row)["Id"] == other
        assert engine.docker("run", "--rm", "--network=none", str(whole), "uname", "-m") == "x86_64", "the others come"
    finally:
        engine.docker("image", "rm", "--force", *map(str, scene.names(before)), check=False)


@pytest.mark.arm64
def test_both_architectures_of_a_recovered_image_run(scene: Scene, docker_engine: PrivateEngine) -> None:
    """From the registry that was emptied, pulled by an engine that never had it."""
    try:
        ensure_emulation("arm64")
    except EnvironmentLacks as lacks:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lacks), pytrace=False)
        pytest.skip(str(lacks))
    before = lose(scene)
    assert scene.inv("recover", BOTH, "--yes") == 0, scene.said
    assert scene.there() == before
    whole = scene.place.with_tag(scene.yard.index_tag(BOTH))
    try:
        for arch, machine in MACHINES.items():
            argv = ["run", "--rm", "--network=none", f"--platform=linux/{arch}", "--pull=always", "--quiet"]
            assert docker_engine.docker(*argv, str(whole), "uname", "-m") == machine
    finally:
        docker_engine.docker("image", "rm", "--force", str(whole), check=False)
