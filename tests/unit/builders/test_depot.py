"""What is asked of the Depot CLI, and what its plain progress says, read from recordings of the real one."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.builders.depot_request import LOGINS, PASSED, argv, login
from imageyard.builders.plain import Plain
from imageyard.builders.progress import Event, Log, Progress
from imageyard.builders.request import BuildRequest, BuildWarning, Steps
from imageyard.names import parse_reference

REPOSITORY = parse_reference("registry.test/ci/images")
PLAIN = BuildRequest(Path("/run/context"), Path("/run/dockerfile/Dockerfile"), "linux/amd64", tags=(REPOSITORY,))
NOTHING = "0" * 64


def test_one_platform() -> None:
    assert argv(PLAIN, program="depot", project="p1") == [
        "depot", "build", "--progress=plain", "--project", "p1", "-f", "/run/dockerfile/Dockerfile",
        "--platform", "linux/amd64",
        "--output",
        "type=image,name=registry.test/ci/images,push=true,push-by-digest=true,store=false,oci-mediatypes=true",
        "--provenance=false", "--sbom=false",
        "/run/context",
    ]  # fmt: skip


def test_a_build_that_leaves_nothing() -> None:
    assert argv(replace(PLAIN, output="nothing", tags=(), no_cache=True), program="depot", project="p1") == [
        "depot", "build", "--progress=plain", "--project", "p1", "-f", "/run/dockerfile/Dockerfile",
        "--platform", "linux/amd64",
        "--no-cache", "--provenance=false", "--sbom=false",
        "/run/context",
    ]  # fmt: skip


def test_several_platforms_and_everything_else() -> None:
    request = replace(
        PLAIN,
        platform="linux/amd64,linux/arm64",
        args={"PYTHON": "3.12", "COMPILER": "gcc 12"},
        target="tools",
        contexts={"debian": "docker-image://registry.test/debian@sha256:1"},
        secrets=(("token", "env", "HUB_TOKEN"), ("ca", "file", "/etc/ca.pem")),
        labels={"recipe": "1"},
        no_cache=True,
        pull=True,
        provenance="max",
        sbom=True,
        extra=("--ulimit", "nofile=10"),
        metadata_file=Path("/run/metadata.json"),
    )
    output = f"type=image,name=registry.test/ci/images@sha256:{NOTHING},push=true,push-by-digest=true,store=false"
    assert argv(request, program="/opt/depot", project="p1") == [
        "/opt/depot", "build", "--progress=plain", "--project", "p1",
        "-f", "/run/dockerfile/Dockerfile", "--platform", "linux/amd64,linux/arm64",
        "--target", "tools",
        "--build-arg", "COMPILER=gcc 12", "--build-arg", "PYTHON=3.12",
        "--build-context", "debian=docker-image://registry.test/debian@sha256:1",
        "--secret", "id=token,env=HUB_TOKEN", "--secret", "id=ca,src=/etc/ca.pem",
        "--label", "recipe=1",
        "--no-cache", "--pull",
        "--output", f"{output},oci-mediatypes=true",
        "--provenance=mode=max", "--sbom=true",
        "--metadata-file", "/run/metadata.json",
        "--ulimit", "nofile=10",
        "/run/context",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, None),
        ({"DEPOT_TOKEN": ""}, None),
        ({"DEPOT_TOKEN": "x", "CIRCLE_OIDC_TOKEN_V2": "y"}, "DEPOT_TOKEN"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}, None),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "ACTIONS_ID_TOKEN_REQUEST_URL": "y"}, "GitHub's OIDC"),
        ({"DEPOT_OIDC_TOKEN": "x"}, None),
        ({"DEPOT_OIDC_TOKEN": "x", "GITLAB_CI": "true"}, "GitLab's OIDC"),
        ({"DEPOT_JIT_TOKEN": "x"}, "DEPOT_JIT_TOKEN"),
    ],
)
def test_where_a_token_comes_from(environ: dict[str, str], place: str | None) -> None:
    assert login(environ) == place


def test_what_the_cli_never_gets_from_the_environment() -> None:
    assert {name for _, names in LOGINS for name in names} < set(PASSED)
    assert not {"DEPOT_PROJECT_ID", "DEPOT_BUILD_ID", "DEPOT_BUILD_PLATFORM", "DEPOT_CACHE_HOST"} & set(PASSED)


def read(text: str, *cuts: int) -> tuple[Plain, Progress, list[Event]]:
    """What the CLI wrote, cut into chunks."""
    plain, progress = Plain(), Progress()
    stream = text.encode()
    ends = [*sorted(cuts), len(stream)]
    events: list[Event] = []
    for start, end in zip([0, *ends], ends, strict=False):
        events += progress.feed(plain.feed(stream[start:end]))
    return plain, progress, [*events, *progress.feed(plain.end()), *progress.end()]


FAILED = """\
#1 [depot] build: https://depot.test/orgs/o/projects/p1/builds/b1
#1 DONE 0.0s

#2 [depot] launching amd64 machine
#2 DONE 1.2s

#5 [linux/amd64 1/3] ADD root.tar /
#5 CACHED

#6 [linux/amd64 2/3] RUN echo "#7 ERROR: no"; false
#6 0.145 #7 ERROR: no
#6 0.146 Build Summary: https://elsewhere.test
#6 ...

#7 [linux/arm64 2/3] RUN echo "#7 ERROR: no"; false
#7 CANCELED

#6 [linux/amd64 2/3] RUN echo "#7 ERROR: no"; false
#6 0.150
#6 0.151 ------
#6 ERROR: process "/bin/sh -c echo" did not complete successfully: exit code: 3
------
 > [linux/amd64 2/3] RUN echo "#7 ERROR: no"; false:
#6 0.145 #7 ERROR: no
------

Build Summary: https://depot.test/orgs/o/projects/p1/builds/b1
failed to solve: process "/bin/sh -c echo" did not complete successfully: exit code: 3
"""


@given(st.lists(st.integers(0, len(FAILED.encode())), max_size=4))
def test_a_step_that_failed(cuts: list[int]) -> None:
    plain, progress, events = read(FAILED, *cuts)
    assert plain.build == "https://depot.test/orgs/o/projects/p1/builds/b1"
    assert progress.steps == Steps(3, 1)
    failure = progress.failure()
    assert (failure.step, failure.exit_code) == ('[linux/amd64 2/3] RUN echo "#7 ERROR: no"; false', 3)
    assert failure.lines == ("#7 ERROR: no", "Build Summary: https://elsewhere.test", "", "------")
    assert [event.line for event in events if isinstance(event, Log)] == list(failure.lines)


def test_a_line_without_a_number_is_of_the_step_that_is_told_of() -> None:
    """The CLI gives steps their numbers when it prints them: what a step wrote before has a 0."""
    _, progress, events = read(
        "#1 [1/2] RUN a\n#0 0.203 one\n#1 DONE 0.2s\n\n#2 [2/2] RUN b\n#0 0.1 two\n#2 0.2 three\n"
    )
    logs = [(event.name, event.line) for event in events if isinstance(event, Log)]
    assert logs == [("[1/2] RUN a", "one"), ("[2/2] RUN b", "two"), ("[2/2] RUN b", "three")]
    assert progress.steps == Steps(2, 0)


@pytest.mark.parametrize(
    ("text", "by_step", "message"),
    [
        ("unauthenticated: the token is not valid\n", False, "unauthenticated: the token is not valid"),
        ('time="2026-01-01T00:00:00Z" level=warning msg="x"\nmissing API token\n', False, "missing API token"),
        ("#1 [depot] build: u\n#1 DONE 0.0s\n\nBuild Summary: u\nfailed to solve: one\ntwo\n", False, "one\ntwo"),
        ("#1 [1/1] COPY a b\n#1 ERROR: one\n  two\n\nBuild Summary: u\nnot found", True, "not found"),
        ("#1 [1/1] COPY a b\n#1 ERROR: one\n  two\n#2 x\n", True, "one\n  two"),
        ("#1 [1/1] COPY a b\n#1 ERROR: one\n  two", True, "one\n  two"),
        ("", False, ""),
    ],
)
def test_why_a_build_failed(text: str, by_step: bool, message: str) -> None:
    _, progress, _ = read(text)
    failure = progress.failure()
    assert (failure.by_step, failure.message) == (by_step, message)


def test_warnings() -> None:
    told = " \x1b[33m2 warnings found (use --debug to expand):\n\x1b[0m - a\n - b\n\nBuild Summary: u\n"
    _, progress, _ = read(f"#1 x\n#1 DONE 0.1s\n\n{told}")
    assert progress.warnings == [BuildWarning("a"), BuildWarning("b")]


def test_a_log_line_is_kept_as_it_was_written() -> None:
    kept: list[object] = []
    plain = Plain()
    progress = Progress(keep=kept.append)
    progress.feed(plain.feed(b"#1 [1/1] RUN x\n#1 0.100 \xc3\xa4  b\t\n"))
    (log,) = [part["logs"][0] for part in kept if isinstance(part, dict) and "logs" in part]
    assert base64.b64decode(log["data"]).decode() == "ä  b\t\n"
