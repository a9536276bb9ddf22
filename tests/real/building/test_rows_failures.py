"""Everything that can go wrong with a row: its exit code, its words, and that nothing earns a tag or stays behind."""

from __future__ import annotations

import pytest
from support.yard.scratch import ARCH, BASE, Done, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

PLAIN = f"build_image(arch='{ARCH}', image='linux-plain')"


def error_lines(done: Done) -> list[str]:
    """What the story says from its first error on."""
    lines = done.err.splitlines()
    return lines[next(n for n, line in enumerate(lines) if "error: " in line) :]


def test_a_wrong_compiler_earns_no_tag_however_often_it_is_tried(yard: Yard) -> None:
    yard.edit("gcc/install.sh", '"$1" >', "13 >")
    with yard.loads() as loads:
        for _ in range(2):
            done = yard.inv("build", "linux-*-gcc12")
            assert done.code == 6
            assert error_lines(done)[:3] == [
                "error: gcc: expected 12, found 13.2.0",
                f"  while: checking linux-bookworm-gcc12 {ARCH}; it gets no tag",
                "  | gcc: expected 12, found 13.2.0",
            ]
            assert "  next: nox -s test_dockerfile -- .ci/docker/gcc/Dockerfile --shell    (look inside)" in done.err
            assert yard.result["code"] == 6
            assert yard.result["headline"] == f"linux-bookworm-gcc12 {ARCH}: gcc: expected 12, found 13.2.0"
            assert [tag for tag in yard.tags() if "gcc12" in tag] == []
            assert yard.leftovers() == []
    assert loads == ["linux-bookworm-base", "linux-bookworm-gcc12", "linux-bookworm-gcc12"]

    record = yard.records()["linux-bookworm-gcc12"]
    assert (record["outcome"], record["code"]) == ("check failed", 6)
    assert {finding["check"]: finding["ok"] for finding in record["findings"]} == {
        "release": True,
        "no-gcc": True,
        "gcc": False,
    }
    session = yard.nox("-s", f"build_image(arch='{ARCH}', image='linux-bookworm-gcc12')")
    assert session.code == 1
    assert "[6] gcc: expected 12, found 13.2.0" in session.err
    assert yard.result["code"] == 6


CHECKS = {
    "missing": ("{run: gcc --version}", "", "expected exit status 0, found no such program (exit status 127)"),
    "absent": ("{run: which ninja, present: [NINJA]}", "ENV NINJA=", "expected exit status 0 (NINJA is set), found"),
    "present": ("{run: which cat, present: [CUDA]}", "", "expected absent (CUDA is unset), found present"),
    "status": ("{run: false}", "", "expected exit status 0, found exit status 1"),
    "matches": ("{run: cat /etc/passwd, matches: '^toor'}", "", "expected output matching '^toor', found 'root:x:0:0"),
    "wordless": ("{run: 'true', version: 3.11}", "", "expected 3.11, found no number in no output"),
    "shorter": ("{run: echo 3.1, version: 3.11}", "", "expected 3.11, found 3.1"),
    "unstartable": ("{run: 'true'}", "USER nobody-of-that-name", "found no answer: the container did not start"),
    "network": ("{run: ifconfig eth0}", "", "expected exit status 0, found exit status 1"),
}


def test_every_kind_of_check_that_fails(yard: Yard) -> None:
    names = ", ".join(CHECKS)
    yard.catalogue(
        f"defaults: {{arches: [ARCH]}}\naxes: {{kind: {{{names}}}, plain: {{linux, cuda}}}}\nimages:\n"
        + "".join(
            f"  {name}:\n    dockerfile: {name}/Dockerfile\n    checks: {{{name}: {check}}}\n"
            f"    args: {{NINJA: 1}}\n    names: {{linux-{name}: }}\n"
            for name, (check, _, _) in CHECKS.items()
        )
        + "  cuda: {dockerfile: status/Dockerfile, args: {CUDA: 12}, names: {linux-cuda: }}\n"
    )
    for name, (_, line, _) in CHECKS.items():
        yard.dockerfile(f"{name}/Dockerfile", line)
    done = yard.inv("build", f"linux-{{{','.join(CHECKS)}}}")
    assert done.code == 6
    for name, (_, _, words) in CHECKS.items():
        record = yard.records()[f"linux-{name}"]
        assert (record["outcome"], record["code"]) == ("check failed", 6), record
        assert words in record["headline"], record["headline"]
    assert yard.tags() == set()
    assert yard.leftovers() == []


def test_a_step_that_fails(yard: Yard) -> None:
    yard.dockerfile("plain/Dockerfile", "RUN echo first words; echo last words >&2; exit 7", "RUN echo not reached")
    done = yard.inv("build", "linux-plain")
    assert done.code == 5
    told = error_lines(done)
    step = "RUN echo first words; echo last words >&2; exit 7 ended with exit code 7"
    assert told[0] == f"error: .ci/docker/plain/Dockerfile:3: {step}"
    assert f"  while: building linux-plain {ARCH}" in told
    # BuildKit reads the two streams side by side: which of them comes first is not said
    assert sorted(line for line in told if "words" in line and line.startswith("  | "))[-2:] == [
        "  | first words",
        "  | last words",
    ]
    assert (
        "  next: nox -s test_dockerfile -- .ci/docker/plain/Dockerfile --shell    (look at what the step found)" in told
    )
    assert (yard.result["code"], yard.outcomes()) == (5, {"linux-plain": "failed"})
    assert yard.leftovers() == []

    session = yard.nox("-s", PLAIN, env={"GITHUB_ACTIONS": "true"})
    assert session.code == 1
    assert f"\n::error file=.ci/docker/plain/Dockerfile,line=3::{step}\n" in session.err
    assert "nox > Session build_image" in session.err
    assert f"aborted: [5] {step}" in session.err
    assert yard.tags() == set()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("FORM busybox\n", ":1", "FORM"),
        ("FROM scratch\nCOPY no-such-file /\n", ":2", "no-such-file"),
        ("FROM scratch\nCOPY --form=x a /\n", ":2", "--form"),
    ],
)
def test_a_dockerfile_that_is_refused_before_it_is_built(yard: Yard, text: str, place: str, words: str) -> None:
    yard.write("plain/Dockerfile", text)
    for done in (yard.inv("build", "linux-plain"), yard.inv("tag", "linux-plain"), yard.nox("-s", PLAIN)):
        assert done.code == (1 if "nox > " in done.err else 2)
        told = error_lines(done)
        assert told[0].startswith(f"error: .ci/docker/plain/Dockerfile{place}: "), told
        assert words in told[0]
    assert yard.result["code"] == 2
    assert yard.outcomes() == {"linux-plain": "failed"}


def test_a_copy_that_only_the_builder_can_refuse(yard: Yard) -> None:
    yard.dockerfile("plain/Dockerfile", f"FROM {BASE}", "COPY --from=0 /no-such-file /")
    done = yard.inv("build", "linux-plain")
    assert done.code == 5
    assert error_lines(done)[0].startswith("error: .ci/docker/plain/Dockerfile:4: ")
    assert "no-such-file" in error_lines(done)[0]
    assert (yard.result["code"], yard.outcomes()) == (5, {"linux-plain": "failed"})


def test_no_engine(yard: Yard) -> None:
    dead = {"DOCKER_HOST": f"unix://{yard.home}/dead.sock"}
    done = yard.inv("build", "linux-{bookworm-base,plain}", env=dead)
    assert done.code == 4
    assert done.err.count("error: no Docker engine answers") == 1
    assert "  next: nox -s install_stack local_stack" in done.err
    assert "dead.sock" in done.err
    assert yard.result["code"] == 4
    assert yard.outcomes() == {}
    session = yard.nox("-s", PLAIN, env=dead)
    assert session.code == 1
    assert "[4] no Docker engine answers" in session.err
    assert yard.outcomes() == {"linux-plain": "blocked"}
    assert yard.result["headline"] == f"linux-plain {ARCH}: no Docker engine answers"
    for task in (("check", "*"), ("clean",)):
        assert yard.inv(*task, env=dead).code == 4
    assert yard.inv("tag", "linux-plain", env=dead).code == 0


def test_another_tag_than_expected(yard: Yard) -> None:
    tag = yard.inv("tag", "linux-plain").out.strip()
    done = yard.inv("build", "linux-plain", "--expect", "linux-plain-00000000000000000000")
    assert done.code == 10
    assert f"error: the tag is {tag}, not linux-plain-00000000000000000000" in done.err
    assert yard.outcomes() == {"linux-plain": "refused"}
    session = yard.nox("-s", PLAIN, "--", "--expect", "linux-plain-00000000000000000000")
    assert f"[10] the tag is {tag}" in session.err
    assert yard.tags() == set()

    many = yard.inv("build", "*", "--expect", tag)
    assert (many.code, many.out) == (10, "")
    assert "--expect names 1 tag, and 4 rows are selected" in many.err
    assert yard.inv("build", "linux-plain", "--expect", tag).code == 0
    assert yard.tags() == {tag}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("build", "linux-plian"), "linux-plain"),
        (("tag", "linux-bookworm-gcc13"), "linux-bookworm-gcc12"),
        (("check", "linux-bookwurm-base"), "linux-bookworm-base"),
        (("explain", "linux-plian"), "linux-plain"),
        (("build", "linux-plain", "--arch", "amd46"), "amd64"),
        (("build", "linux-plain", "--set", "VERSION"), "--set takes NAME=VALUE"),
        (("build", "linux-*-gcc12", "--set", "GCC_VERSIN=13"), "GCC_VERSION"),
    ],
)
def test_what_is_mistyped_is_refused_with_what_was_meant(yard: Yard, argv: tuple[str, ...], words: str) -> None:
    done = yard.inv(*argv)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert done.err.startswith("error: ")
    assert not yard.state.exists() or yard.runs == []


def test_a_build_that_takes_too_long(yard: Yard) -> None:
    yard.edit("images.yml", "    dockerfile: plain/Dockerfile", "    dockerfile: plain/Dockerfile\n    timeout: 2s")
    yard.dockerfile("plain/Dockerfile", "RUN echo begun; sleep 3600")
    done = yard.inv("build", "linux-plain")
    assert done.code == 5
    assert "2 s" in error_lines(done)[0]
    assert yard.outcomes() == {"linux-plain": "failed"}
    assert yard.leftovers() == []
