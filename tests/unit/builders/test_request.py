"""What a request is on buildx's command line."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.builders.request import BuildRequest, argv, loadable
from imageyard.names import Digest, parse_reference

PLAIN = BuildRequest(Path("/run/context"), Path("/run/Dockerfile"), "linux/amd64")
ALWAYS = ["buildx", "build", "--progress=rawjson", "-f", "/run/Dockerfile", "--platform", "linux/amd64"]
DIGEST = Digest("sha256:" + "0" * 64)


def test_the_least() -> None:
    assert argv(PLAIN, program="buildx") == [*ALWAYS, "--load", "--provenance=false", "/run/context"]


def test_everything() -> None:
    request = BuildRequest(
        context=Path("/run/context"),
        dockerfile=Path("/run/Dockerfile"),
        platform="linux/arm64",
        args={"PYTHON": "3.12", "COMPILER": "gcc 12"},
        target="tools",
        contexts={"debian": f"docker-image://registry.test/debian@{DIGEST}", "files": "/srv/files"},
        secrets=(("token", "env", "HUB_TOKEN"), ("ca", "file", "/etc/ca.pem")),
        labels={"recipe": "1"},
        tags=(parse_reference("registry.test/ci:one"), parse_reference("registry.test/ci:two")),
        output="push",
        no_cache=True,
        pull=True,
        provenance="max",
        sbom=True,
        cache_from=("type=registry,ref=registry.test/cache",),
        cache_to=("type=inline",),
        builder="pool",
        extra=("--ulimit", "nofile=10"),
        metadata_file=Path("/run/metadata.json"),
    )
    assert argv(request, program="/plugins/docker-buildx") == [
        "/plugins/docker-buildx", "build", "--progress=rawjson", "-f", "/run/Dockerfile", "--platform", "linux/arm64",
        "--builder", "pool",
        "--target", "tools",
        "--build-arg", "COMPILER=gcc 12", "--build-arg", "PYTHON=3.12",
        "--build-context", f"debian=docker-image://registry.test/debian@{DIGEST}",
        "--build-context", "files=/srv/files",
        "--secret", "id=token,env=HUB_TOKEN", "--secret", "id=ca,src=/etc/ca.pem",
        "--label", "recipe=1",
        "--cache-from", "type=registry,ref=registry.test/cache",
        "--cache-to", "type=inline",
        "--no-cache", "--pull",
        "--tag", "registry.test/ci:one", "--tag", "registry.test/ci:two",
        "--push", "--provenance=mode=max", "--sbom=true",
        "--metadata-file", "/run/metadata.json",
        "--ulimit", "nofile=10",
        "/run/context",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"provenance": "off"}, ["--provenance=false"]),
        ({"provenance": "min"}, ["--provenance=mode=min"]),
        ({"provenance": "max"}, ["--provenance=mode=max"]),
        ({"epoch": "2 lock:2026-11-28"}, ["--add-host", "epoch-8ec517c73e3f8b17.invalid:127.0.0.1"]),
        ({"args": {"EMPTY": ""}}, ["--build-arg", "EMPTY="]),
        ({"args": {"A": "b=c"}}, ["--build-arg", "A=b=c"]),
        ({"args": {"A": "$(id) `id` 'x'"}}, ["--build-arg", "A=$(id) `id` 'x'"]),
        ({"secrets": (("s", "file", "/a,b"),)}, ["--secret", 'id=s,"src=/a,b"']),
        ({"secrets": (("s", "file", '/a"b'),)}, ["--secret", 'id=s,"src=/a""b"']),
    ],
)
def test_words(change: dict[str, object], words: list[str]) -> None:
    line = argv(replace(PLAIN, **change), program="buildx")
    assert any(line[at : at + len(words)] == words for at in range(len(line)))


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_path_of_a_secret_is_read_back_by_a_csv_reader(path: str) -> None:
    line = argv(replace(PLAIN, secrets=(("s", "file", path),)), program="buildx")
    (fields,) = csv.reader([line[line.index("--secret") + 1]])
    assert fields == ["id=s", f"src={path}"]


@given(st.permutations([("B", "1"), ("A", "2"), ("C", "3")]))
def test_the_order_of_args_does_not_show(pairs: list[tuple[str, str]]) -> None:
    assert argv(replace(PLAIN, args=dict(pairs)), program="x") == argv(
        replace(PLAIN, args={"A": "2", "B": "1", "C": "3"}), program="x"
    )


LESS = {"provenance": "off", "sbom": False, "reproducible": False}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, ()),
        ({"provenance": "min"}, ("provenance (min)",)),
        ({"provenance": "max"}, ("provenance (max)",)),
        ({"sbom": True}, ("the bill of materials",)),
        ({"reproducible": True}, ("rewritten times",)),
        ({"provenance": "max", "sbom": True}, ("provenance (max)", "the bill of materials")),
    ],
)
def test_what_the_image_store_can_hold(asked: dict[str, object], words: tuple[str, ...]) -> None:
    request = replace(PLAIN, args={"A": "b"}, **asked)
    assert loadable(request, "containerd") == (request, ())
    assert loadable(request, "classic") == (replace(request, **LESS), words)


@pytest.mark.parametrize("reproducible", [False, True])
def test_where_times_are_rewritten(reproducible: bool) -> None:
    rewritten = ["rewrite-timestamp=true"] if reproducible else []
    request = replace(PLAIN, reproducible=reproducible, tags=(parse_reference("registry.test/ci"),))
    archive = replace(request, output="archive", archive=Path("/a,b/image.tar"))
    pushed = replace(request, output="push-by-digest")
    for each, start in (
        (archive, ["type=oci", "dest=/a,b/image.tar"]),
        (pushed, ["type=image", "name=registry.test/ci"]),
    ):
        line = argv(each, program="buildx")
        (fields,) = csv.reader([line[line.index("--output") + 1]])
        assert fields[:2] == start
        assert [field for field in fields if "rewrite" in field] == rewritten
