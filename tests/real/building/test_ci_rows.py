"""Rows in a job of GitHub Actions whose runner has an engine: built and checked there, published as it may."""

from __future__ import annotations

import json

import pytest
from support.github.event import pull_request, push, schedule
from support.registry.served import Served, tool
from support.yard.publishing import ARCH, BASE, BOTH, PublishingYard

pytestmark = [pytest.mark.engine]

CHILD = "linux-bookworm-tool"
SESSION = f"build_image(arch='{ARCH}', image='{{}}')"


@pytest.fixture
def family(port: PublishingYard) -> PublishingYard:
    """The repository with a child of its base image."""
    port.edit("images.yml", "plain: {linux, base, both}", "plain: {linux, base, both, tool}")
    child = "  tool:\n    dockerfile: tool/Dockerfile\n    args: {BASE: 'image:linux-{os}-base'}\n"
    port.edit("images.yml", "  both:\n", f"{child}    names:\n      linux-{{os}}-tool:\n  both:\n")
    port.write("tool/Dockerfile", f"ARG BASE=scratch\nFROM ${{BASE}}\nRUN echo tool of {port.key} > /etc/tool\n")
    port.commit()
    return port


def digest(yard: PublishingYard, tag: str, *, branch: bool = False) -> str:
    return tool("crane", "digest", yard.at(tag, branch=branch)).strip()


def test_a_push_to_main_publishes_what_passed_its_checks(family: PublishingYard) -> None:
    job = push(family.home)
    done = family.nox("-s", SESSION.format(CHILD), "--", "--expect", family.tag(CHILD), env=job)
    assert done.code == 0, done.all
    assert family.outcomes() == {BASE: "published", CHILD: "published"}
    record = family.records()[CHILD]
    assert [finding["ok"] for finding in record["findings"]] == [True], "its parent's check, run in the engine"
    assert record["digest"] == digest(family, family.tag(CHILD))
    assert record["remarks"] == []
    (beside,) = json.loads(family.inv("records", CHILD, "--json").out)
    assert (beside["outcome"], beside["digest"] in beside["reference"]) == ("published", True)

    family.remove_images()  # the next job's runner is another machine
    again = family.nox("-s", SESSION.format(CHILD), env=job)
    assert family.outcomes() == {CHILD: "skipped"}, again.all
    assert f"at {family.repository}" in again.all
    family.edit("tool/Dockerfile", "RUN echo", "RUN echo another")
    family.nox("-s", SESSION.format(CHILD), env=job)
    assert family.outcomes() == {BASE: "skipped", CHILD: "published"}, "the parent is bound where it is published"
    assert {tag.rpartition("-")[0] for tag in family.tags()} == {CHILD}


def test_what_could_not_be_pushed_is_not_built_again(port: PublishingYard) -> None:
    """On a person's machine, where one engine is one person's."""
    assert port.inv("build", BASE).code == 0
    before = port.runs[-1]
    assert port.inv("build", BASE, "--at", "branch").code == 0
    assert port.outcomes() == {BASE: "published"}
    assert port.raw(BASE) == "", "no build ran"
    (beside,) = json.loads(port.inv("records", BASE, "--at", "branch", "--json").out)
    assert beside["started"] == port.records(before)[BASE]["started"], "the record is that of the build"


def test_what_another_run_left_in_the_engine_of_a_runner_is_not_published(port: PublishingYard) -> None:
    """A runner that is used again: a pull request's build is there, and what it gave main's next name to."""
    assert port.inv("build", BASE, env=pull_request(port.home)).code == 0
    loaded = f"{port.repository}:{port.tag(BASE)}"
    form = '{{index .Config.Labels "io.imageyard.inputs"}}'
    inputs = port.engine.docker("image", "inspect", "--format", form, loaded)
    change = f"LABEL io.imageyard.inputs={inputs}"
    forged = port.engine.docker("import", "--change", change, "-", loaded, stdin=b"\0" * 10240)
    assert port.engine.docker("image", "inspect", "--format", form, loaded) == inputs
    assert port.inv("build", BASE, env=push(port.home)).code == 0
    assert port.outcomes() == {BASE: "published"}
    assert "RUN mkdir" in port.raw(BASE), "a build ran"
    assert port.records()[BASE]["findings"] != []
    assert digest(port, port.tag(BASE)) == port.records()[BASE]["digest"] != forged
    assert port.engine.docker("image", "inspect", "--format", "{{.Id}}", loaded) != forged


def test_a_person_publishes_where_told_and_nowhere_else(port: PublishingYard) -> None:
    done = port.inv("build", BASE, "--at", "branch")
    assert done.code == 0, done.all
    assert port.records()[BASE]["digest"] == digest(port, port.tag(BASE), branch=True)
    assert port.inv("resolve", BASE).code == 7
    refused = port.inv("build", BASE, "--at", "branch", "--set", "RELEASE=13")
    assert refused.code == 10, refused.all
    assert "--set RELEASE=13 is never published" in refused.err


def test_a_failed_check_publishes_nothing(port: PublishingYard) -> None:
    port.edit("base/Dockerfile", '"$RELEASE"', "13")
    done = port.inv("build", BASE, env=push(port.home))
    assert done.code == 6, done.all
    assert port.inv("resolve", BASE).code == 7


def test_a_pull_request_publishes_in_the_branch_repository_and_reads_both(family: PublishingYard) -> None:
    assert family.inv("build", BASE, env=push(family.home)).code == 0
    family.remove_images()
    done = family.inv("build", CHILD, env=pull_request(family.home))
    assert done.code == 0, done.all
    assert family.outcomes() == {BASE: "skipped", CHILD: "published"}
    assert digest(family, family.tag(CHILD), branch=True) == family.records()[CHILD]["digest"]
    assert family.inv("resolve", CHILD).code == 7
    refused = family.inv("build", CHILD, "--at", "trusted", env=pull_request(family.home))
    assert refused.code == 10, refused.all


def test_a_fork_builds_for_the_checks_alone(port: PublishingYard, registry: Served) -> None:
    job = pull_request(port.home, head="someone/yard")
    job["REMOTE_BUILDKIT"] = "1"  # which a workflow may set for all its runs
    done = port.inv("build", BASE, "--expect", port.tag(BASE), env=job)
    assert done.code == 0, done.all
    assert port.outcomes() == {BASE: "built"}
    assert port.tags() == {f"{port.tag(BASE)}-local"}
    for at in ("trusted", "branch"):
        assert port.inv("resolve", BASE, "--at", at).code == 7


def test_a_forced_build_leaves_what_main_has(port: PublishingYard) -> None:
    assert port.inv("build", BASE, env=push(port.home)).code == 0
    first = digest(port, port.tag(BASE))
    port.git("tag", "ciflow/docker/1")
    forced = push(port.home, "refs/tags/ciflow/docker/1")
    done = port.inv("build", BASE, "--force", env=push(port.home))
    assert done.code == 0, done.all
    assert (port.records()[BASE]["adopted"], digest(port, port.tag(BASE))) == (True, first)
    assert port.inv("build", BASE, env=forced).code == 0
    assert port.records()[BASE]["forced"], "asked for by the tag"


def test_a_weekly_build_is_a_canary_beside_the_published_rows(family: PublishingYard) -> None:
    assert family.inv("build", CHILD, env=push(family.home)).code == 0
    published = digest(family, family.tag(CHILD))
    job = schedule(family.home) | {"IMAGEYARD_DAY": "20260207"}
    done = family.inv("build", CHILD, env=job)
    assert done.code == 0, done.all
    assert {record["tag"] for record in family.records().values()} == {
        f"{BASE}-weekly-20260207",
        f"{CHILD}-weekly-20260207",
    }
    assert family.records()[CHILD]["cached"] == 0
    weekly = digest(family, f"{CHILD}-weekly-20260207")
    assert weekly not in ("", published)
    assert digest(family, family.tag(CHILD)) == published
    assert family.inv("build", CHILD, env=job).code == 0
    assert set(family.outcomes().values()) == {"skipped"}

    for arch in ("amd64", "arm64"):
        built = family.inv("build", BOTH, "--arch", arch, env=job)
        assert built.code == 0, built.all
        assert family.records()[BOTH]["tag"] == f"{BOTH}-weekly-20260207-{arch}"
    promoted = family.inv("promote", BOTH, env=job)
    assert promoted.code == 0, promoted.all
    assert promoted.out.strip().endswith(digest(family, f"{BOTH}-weekly-20260207"))
