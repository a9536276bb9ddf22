"""Shapes of real repositories: a Dockerfile outside its context, files and args from elsewhere; sealed as plain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.git import sh
from support.yard.scratch import Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

CATALOGUE = """\
defaults: {arches: [ARCH]}
axes:
  plain: {linux, conda, pins}
images:
  conda:
    context: /context
    dockerfile: /ci-conda.Dockerfile
    contexts: {tools: /tools}
    names: {linux-conda: }
  pins:
    dockerfile: pins/Dockerfile
    files:
      requirements-lint.txt: /requirements-lint.txt
      common/vendored: /tools
    args: {TORCH_VERSION: "file:/.ci/pins/torch.txt"}
    checks: {version: {run: cat /torch, version: "{TORCH_VERSION}"}}
    names: {linux-pins: }
"""
CONDA = """\
COPY . /all/
COPY --from=tools sub/ /tools/
RUN --mount=type=bind,target=/m cp /m/a.txt /mounted
"""
PINS = """\
ARG TORCH_VERSION
RUN echo $TORCH_VERSION > /torch
COPY requirements-*.txt common /all/
"""


@pytest.fixture
def elsewhere(yard: Yard) -> Yard:
    yard.catalogue(CATALOGUE)
    dockerfile = yard.dockerfile("conda.Dockerfile", CONDA)
    dockerfile.rename(yard.top / "ci-conda.Dockerfile")
    yard.dockerfile("pins/Dockerfile", PINS)
    files = {
        "ci-conda.Dockerfile.dockerignore": "secret.txt\n",
        "context/.dockerignore": "a.txt\n",
        "context/a.txt": "a\n",
        "context/secret.txt": "not in any image\n",
        "context/sub/b.sh": "b\n",
        "tools/sub/c.sh": "c\n",
        "tools/other.txt": "other\n",
        ".ci/docker/common/own.txt": "own\n",
        ".ci/pins/torch.txt": "2.6.1\n",
        "requirements-lint.txt": "ruff\n",
        "unrelated.txt": "x\n",
    }
    for name, text in files.items():
        (yard.top / name).parent.mkdir(parents=True, exist_ok=True)
        (yard.top / name).write_text(text)
    (yard.top / "context" / "sub" / "b.sh").chmod(0o755)
    yard.commit()
    return yard


def tags(yard: Yard, top: Path | None = None) -> dict[str, str]:
    done = yard.inv("tag", "*", "--json", env={"IMAGEYARD_CATALOGUE": str((top or yard.top) / ".ci/docker/images.yml")})
    assert done.code == 0, done.err
    return {one["image"]: one["tag"] for one in json.loads(done.out)}


def content(yard: Yard, image: str) -> list[str]:
    """The files of an image below what its Dockerfile copies: path, mode and digest."""
    script = "find /all /tools /mounted /torch -type f 2>/dev/null | sort | xargs stat -c '%n %a'; " + (
        "find /all /tools /mounted /torch -type f 2>/dev/null | sort | xargs sha256sum"
    )
    return yard.engine.docker("run", "--rm", "--entrypoint", "sh", image, "-c", script).splitlines()


def plain(yard: Yard, dockerfile: Path, context: Path, *argv: str) -> str:
    """The same by hand: `docker build` of a folder into which the files were copied."""
    image = f"{yard.repository}:plain"
    yard.engine.docker("build", "-q", "-t", image, "-f", str(dockerfile), *argv, str(context))
    return image


def test_sealed_as_plain(elsewhere: Yard, tmp_path: Path) -> None:
    yard = elsewhere
    done = yard.inv("build", "linux-*")
    assert done.code == 0, done.err
    found = tags(yard)

    by_hand = plain(
        yard, yard.top / "ci-conda.Dockerfile", yard.top / "context", f"--build-context=tools={yard.top / 'tools'}"
    )
    ours = content(yard, f"{yard.repository}:{found['linux-conda']}")
    assert ours == content(yard, by_hand)
    assert {"/all/a.txt 644", "/all/sub/b.sh 755", "/tools/c.sh 644", "/mounted 644"} <= set(ours)
    assert not [line for line in ours if "secret" in line or "Dockerfile" in line or "other.txt" in line]

    context = tmp_path / "context"
    shutil.copytree(yard.top / ".ci" / "docker", context)
    shutil.copy(yard.top / "requirements-lint.txt", context)
    shutil.copytree(yard.top / "tools", context / "common" / "vendored")
    by_hand = plain(yard, context / "pins" / "Dockerfile", context, "--build-arg=TORCH_VERSION=2.6.1")
    ours = content(yard, f"{yard.repository}:{found['linux-pins']}")
    assert ours == content(yard, by_hand)
    assert {"/all/requirements-lint.txt 644", "/all/vendored/sub/c.sh 644", "/torch 644"} <= set(ours)


def test_a_clone_has_the_same_tags_and_each_file_moves_its_own(elsewhere: Yard, tmp_path: Path) -> None:
    yard = elsewhere
    found = tags(yard)
    sh(tmp_path, "clone", "-q", str(yard.top), "clone")
    assert tags(yard, tmp_path / "clone") == found

    moved = {
        "ci-conda.Dockerfile": set(),  # a comment
        "context/a.txt": {"linux-conda"},
        "context/secret.txt": set(),
        "tools/sub/c.sh": {"linux-conda", "linux-pins"},
        "tools/other.txt": {"linux-pins"},
        ".ci/pins/torch.txt": {"linux-pins"},
        "requirements-lint.txt": {"linux-pins"},
        "unrelated.txt": set(),
    }
    for name, images in moved.items():
        file = yard.top / name
        before = file.read_text()
        file.write_text(before.replace("2.6.1", "2.6.2") if "torch" in name else f"{before}# more\n")
        now = tags(yard)
        assert {image for image in found if now[image] != found[image]} == images, name
        file.write_text(before)
    assert tags(yard) == found


def test_they_are_named_where_they_are(elsewhere: Yard) -> None:
    yard = elsewhere
    assert yard.inv("inputs", "linux-conda").out.split() == [
        "ci-conda.Dockerfile",
        "context/.dockerignore",
        "context/a.txt",
        "context/sub/b.sh",
        "tools/sub/c.sh",
    ]
    assert yard.inv("inputs", "linux-pins").out.split() == [
        ".ci/docker/common/own.txt",
        ".ci/docker/pins/Dockerfile",
        ".ci/pins/torch.txt",
        "requirements-lint.txt",
        "tools/other.txt",
        "tools/sub/c.sh",
    ]
    assert "2.6.1  from file:/.ci/pins/torch.txt" in yard.inv("explain", "linux-pins").out

    (yard.top / ".ci/pins/torch.txt").write_text("2.7.0\n")
    (yard.top / "requirements-lint.txt").write_text("ruff==1\n")
    against = yard.inv("tag", "linux-pins", "--against", "HEAD")
    assert "TORCH_VERSION: 2.6.1 -> 2.7.0 (from .ci/pins/torch.txt)" in against.out
    assert "requirements-lint.txt changed" in against.out

    for file, image in (("ci-conda.Dockerfile", "linux-conda"), (".ci/pins/torch.txt", "linux-pins")):
        done = yard.nox("-s", "test_dockerfile", "--", file)
        assert done.code == 0, done.all
        assert f"{file} is used by 1 image: {image}" in done.all


def test_what_fails_names_the_real_place(elsewhere: Yard) -> None:
    yard = elsewhere
    with (yard.top / "ci-conda.Dockerfile").open("a") as file:
        file.write("RUN exit 7\n")
    done = yard.inv("build", "linux-conda")
    assert done.code == 5
    line = len((yard.top / "ci-conda.Dockerfile").read_text().splitlines())
    assert f"ci-conda.Dockerfile:{line}" in done.err

    (yard.top / ".gitignore").write_text("requirements-lint.txt\ntorch.txt\n")
    sh(yard.top, "rm", "-q", "--cached", "requirements-lint.txt")
    done = yard.inv("tag", "linux-pins")
    assert done.code == 2
    assert "there is nothing at /requirements-lint.txt" in done.err
    sh(yard.top, "add", "-f", "requirements-lint.txt")
    sh(yard.top, "rm", "-q", "--cached", ".ci/pins/torch.txt")
    done = yard.inv("tag", "linux-pins")
    assert done.code == 2
    assert ".ci/pins/torch.txt, which the arg TORCH_VERSION is read from, is no file that git sees" in done.err
