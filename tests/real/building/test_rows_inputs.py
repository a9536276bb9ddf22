"""What goes into a build and what does not: --set, docker arguments, the environment, secrets, directories."""

from __future__ import annotations

import json
import os

import pytest
from support.yard.scratch import ARCH, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

PLAIN = (
    "defaults: {arches: [ARCH]}\naxes: {plain: {linux, plain}}\nimages:\n  plain:\n    dockerfile: plain/Dockerfile\n"
)
OTHER_ARCH = {"amd64": "arm64", "arm64": "amd64"}[ARCH]


def tag_of(yard: Yard, *argv: str) -> str:
    done = yard.inv("tag", *argv)
    assert done.code == 0, done.err
    return done.out.strip()


def test_set_changes_the_build_its_checks_and_its_tag(yard: Yard) -> None:
    name = "linux-bookworm-gcc12"
    plain = tag_of(yard, name)
    tag = tag_of(yard, name, "--set", "GCC_VERSION=13")
    assert tag.endswith("-local")
    assert tag.removesuffix("-local") != plain

    done = yard.inv("build", name, "--set", "GCC_VERSION=13")
    assert done.code == 0, done.err
    findings = {finding["check"]: finding for finding in yard.records()[name]["findings"]}
    assert (findings["gcc"]["expected"], findings["gcc"]["actual"]) == ("13", "13.2.0")
    assert yard.tags() == {tag, tag_of(yard, "linux-bookworm-base")}  # the parent does not have that arg
    assert "13.2.0" in yard.cat(tag, "/bin/gcc")

    session = yard.nox("-s", f"build_image(arch='{ARCH}', image='{name}')", "--", "--set", "GCC_VERSION=13")
    assert (session.code, yard.outcomes()[name]) == (0, "skipped")
    assert yard.inv("build", name).code == 0
    assert plain in yard.tags()


def test_set_of_an_arg_that_only_the_dockerfile_has_counts_for_present(yard: Yard) -> None:
    yard.catalogue(
        PLAIN + "    checks: {triton: {run: test -e /triton, present: [TRITON]}}\n    names: {linux-plain: }\n"
    )
    yard.dockerfile("plain/Dockerfile", "ARG TRITON", 'RUN test -z "$TRITON" || touch /triton')
    yard.edit("images.yml", "    names:", "    args: {TRITON: ''}\n    names:")
    for argv in ((), ("--set", "TRITON=1")):
        done = yard.inv("build", "linux-plain", *argv)
        assert done.code == 0, done.err
    expected = yard.records()["linux-plain"]["findings"][0]["expected"]
    assert expected == "exit status 0 (TRITON is set)"


def test_docker_arguments_reach_the_builder_and_mark_the_tag(yard: Yard) -> None:
    assert yard.inv("build", "linux-plain").code == 0
    plain = tag_of(yard, "linux-plain")
    done = yard.inv("build", "linux-plain", "--", "--no-cache", "--label", "one=two words")
    assert done.code == 0, done.err
    record = yard.records()["linux-plain"]
    assert (record["outcome"], record["cached"]) == ("built", 0)
    assert record["tag"].endswith("-local")
    assert yard.tags() == {plain, record["tag"]}
    form = '{{index .Config.Labels "one"}}'
    label = yard.engine.docker("image", "inspect", "--format", form, f"{yard.repository}:{record['tag']}")
    assert label == "two words"


def test_docker_arguments_that_buildx_does_not_know(yard: Yard) -> None:
    done = yard.inv("build", "linux-plain", "--", "--no-cash")
    assert done.code != 0
    assert "--no-cash" in done.err
    assert yard.tags() == set()


def test_the_environment_does_not_get_in(yard: Yard) -> None:
    yard.dockerfile("plain/Dockerfile", "ARG TRITON", "RUN env > /env")
    stray = {
        "TRITON": "1",
        "BUILDX_BUILDER": "nonsense",
        "DOCKER_DEFAULT_PLATFORM": f"linux/{OTHER_ARCH}",
        "SOURCE_DATE_EPOCH": "0",
        "DEPOT_BUILD_ID": "1",
        "BUILDKIT_PROGRESS": "nonsense",
        "GIT_DIR": "/nowhere",
    }
    tag = tag_of(yard, "linux-plain")
    assert yard.inv("tag", "linux-plain", env=stray).out.strip() == tag
    done = yard.inv("build", "linux-plain", env=stray)
    assert done.code == 0, done.err
    assert yard.tags() == {tag}
    assert "TRITON" not in yard.cat(tag, "/env")
    form = "{{.Architecture}} {{.Created}}"
    architecture, created = yard.engine.docker("image", "inspect", "--format", form, f"{yard.repository}:{tag}").split()
    assert architecture == ARCH
    assert not created.startswith("1970")


def test_secrets_are_there_for_a_step_and_nowhere_else(yard: Yard) -> None:
    token, key = f"token-{os.urandom(8).hex()}", f"key-{os.urandom(8).hex()}"
    file = yard.home / "key.txt"
    file.write_text(f"{key}\nsecond {key[::-1]}\n")
    yard.catalogue(
        PLAIN + "    secrets:\n      token: {source: 'env:YARD_TOKEN'}\n"
        "      key: {source: 'file:~/key.txt'}\n      spare: {source: 'env:YARD_SPARE', required: no}\n"
        "    names: {linux-plain: }\n"
    )
    mounts = "--mount=type=secret,id=token --mount=type=secret,id=key --mount=type=secret,id=spare"
    yard.dockerfile(
        "plain/Dockerfile",
        f"RUN {mounts} cat /run/secrets/token /run/secrets/key /run/secrets/* | wc -l > /lines; "
        "cat /run/secrets/token; echo; cat /run/secrets/key >&2; ls /run/secrets > /names",
    )
    done = yard.inv("build", "linux-plain", env={"YARD_TOKEN": token})
    assert done.code == 0, done.err
    tag = yard.records()["linux-plain"]["tag"]
    assert yard.cat(tag, "/names").split() == ["key", "token"]
    assert yard.said("linux-plain").count("***") == 3

    kept = [path.read_bytes().decode(errors="replace") for path in yard.top.rglob("*") if path.is_file()]
    history = yard.engine.docker("history", "--no-trunc", f"{yard.repository}:{tag}")
    told = [
        done.out,
        done.err,
        history,
        yard.said("linux-plain"),
        *kept,
    ]
    for secret in (token, key, key[::-1]):
        assert [text for text in told if secret in text] == []
    assert tag_of(yard, "linux-plain") == tag

    missing = yard.inv("build", "linux-plain", "--force")
    assert missing.code == 4
    assert "the secret token is not there: env:YARD_TOKEN" in missing.err
    assert "next: export YARD_TOKEN=..." in missing.err


def test_a_secret_of_a_step_that_fails_is_not_shown(yard: Yard) -> None:
    token = f"token-{os.urandom(8).hex()}"
    yard.catalogue(PLAIN + "    secrets: {token: {source: 'env:YARD_TOKEN'}}\n    names: {linux-plain: }\n")
    yard.dockerfile("plain/Dockerfile", "RUN --mount=type=secret,id=token cat /run/secrets/token; exit 3")
    done = yard.inv("build", "linux-plain", env={"YARD_TOKEN": token, "GITHUB_ACTIONS": "true"})
    assert done.code == 5
    assert "  | ***" in done.err
    kept = [path.read_bytes().decode(errors="replace") for path in yard.state.rglob("*") if path.is_file()]
    assert [text for text in (done.all, yard.said("linux-plain"), *kept) if token in text] == []


def test_a_directory_context_is_an_input_even_where_size_and_time_stay(yard: Yard) -> None:
    yard.catalogue(PLAIN + "    contexts: {tools: tools}\n    names: {linux-plain: }\n")
    yard.dockerfile("plain/Dockerfile", "COPY --from=tools version deep/tool /opt/")
    version = yard.write("tools/version", "1.0\n")
    yard.write("tools/deep/tool", "#!/bin/sh\n", executable=True)
    yard.write("tools/unused", "")
    os.utime(version, (1_700_000_000, 1_700_000_000))
    assert yard.inv("build", "linux-plain").code == 0
    first = tag_of(yard, "linux-plain")
    assert yard.cat(first, "/opt/version") == "1.0"
    tools = {f".ci/docker/tools/{name}" for name in ("version", "deep/tool")}
    assert set(yard.inv("inputs", "linux-plain").out.split()) == {*tools, ".ci/docker/plain/Dockerfile"}

    version.write_text("2.0\n")
    os.utime(version, (1_700_000_000, 1_700_000_000))
    assert yard.inv("build", "linux-plain").code == 0
    second = tag_of(yard, "linux-plain")
    assert second != first
    assert yard.cat(second, "/opt/version") == "2.0"
    modes = yard.engine.docker(
        "run", "--rm", "--entrypoint", "stat", f"{yard.repository}:{second}", "-c", "%a", "/opt/version", "/opt/tool"
    )
    assert modes.split() == ["644", "755"]


def test_a_file_that_the_recipe_missed_is_not_in_the_build(yard: Yard) -> None:
    yard.write("plain/data/used", "")
    yard.dockerfile("plain/Dockerfile", "COPY plain/data /data", "RUN ls /data > /listing")
    (yard.top / ".gitignore").write_text(".imageyard/\n__pycache__/\n*.secret\n")
    yard.write("plain/data/key.secret", "")
    assert yard.inv("build", "linux-plain").code == 0
    assert yard.cat(tag_of(yard, "linux-plain"), "/listing") == "used"


def test_a_folder_below_the_repository_is_as_good_as_its_top(yard: Yard) -> None:
    assert yard.inv("build", "linux-plain").code == 0
    top, yard.top = yard.top, yard.top / ".ci"
    listed = json.loads(yard.inv("tag", "linux-plain", "--json").out)
    yard.top = top
    assert {row["tag"] for row in listed} == yard.tags()
