"""One Dockerfile through the engine, remote workers and Depot: one tag, and one image where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from buildkit_remote import remote_buildkit
from depot_plane import depot_plane
from engine_private import PrivateEngine, private_engine
from imageyard.names import ARCHES, Arch
from imageyard.ship.workspace import this_arch
from registry_served import Served, tool
from yard_depot import DepotYard, make_depot_yard
from yard_remote import TOOL

pytest_plugins = ("fixtures_registry", "fixtures_remote", "fixtures_depot")
pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


@pytest.fixture(scope="session")
def third_engine(shared_tmp: Path) -> Iterator[PrivateEngine]:
    """One that has no layers of the others."""
    with private_engine(shared_tmp, "containerd", "third") as engine:
        yield engine


@pytest.fixture
def yard(
    worker_engines: Mapping[Arch, PrivateEngine],
    third_engine: PrivateEngine,
    registry: Served,
    depot: str,
    roots: Mapping[Arch, bytes],
    tmp_path: Path,
) -> Iterator[DepotYard]:
    """Its engine, its remote worker and its builders at Depot have no layers of one architecture in common."""
    here, there = this_arch(), next(arch for arch in roots if arch != this_arch())
    sockets = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    third = third_engine.host.removeprefix("unix://")
    with (
        remote_buildkit(sockets[there]) as remote,
        remote_buildkit(third) as native,
        remote_buildkit(sockets[here]) as foreign,
        depot_plane({here: native, there: foreign}) as plane,
    ):
        made = make_depot_yard(worker_engines[here], registry, plane, depot, roots, tmp_path)
        made.docker = True
        line = f'  remote: {{amd64: "{remote}", arm64: "{remote}", insecure: yes}}'
        made.edit("images.yml", "builders:\n", f"builders:\n{line}\n")
        yield made
        made.remove_images()


RUN = "RUN mkdir /made && echo made > /made/file"
"""Makes a folder and a file, which get the time of the build."""


@pytest.mark.parametrize("reproducible", [True, False], ids=["reproducible", "with its own times"])
def test_the_same_tag_and_the_same_manifest_where_it_can_be(yard: DepotYard, reproducible: bool) -> None:
    yard.edit("images.yml", "defaults:", f"defaults:\n  reproducible: {'yes' if reproducible else 'no'}")
    yard.edit("tool/Dockerfile", "COPY tool/word", f"{RUN}\nCOPY tool/word")
    manifests: dict[tuple[str, str], set[str]] = {}
    trusted = f"trusted: {yard.repository}"
    for builder, arches in (("local", (this_arch(),)), ("remote", ARCHES), ("depot", ARCHES)):
        repository = f"{yard.host}/{yard.name}-{builder}"
        yard.edit("images.yml", trusted, trusted := f"trusted: {repository}")
        for arch in arches if builder == "local" else ("",):
            only = ["--arch", arch] if arch else []
            done = yard.inv("build", TOOL, "--builder", builder, "--at", "trusted", *only)
            assert done.code == 0, done.all
        for arch in arches:
            tag = yard.tag(TOOL, arch)
            manifests.setdefault((arch, tag), set()).add(tool("crane", "manifest", f"{repository}:{tag}"))
    assert [arch for arch, _ in sorted(manifests)] == ["amd64", "arm64"], "one tag for each"
    for (arch, _), found in manifests.items():
        assert len(found) == (1 if reproducible else 3 if arch == this_arch() else 2)
