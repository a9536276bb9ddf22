"""What the docker CLI says, as docker 28.5 does."""

from __future__ import annotations

import pytest
from imageyard import docker_answers
from imageyard.errors import EnvironmentLacks
from imageyard.process import Completed

DAEMON = "Error response from daemon: "
REMOVED = f"{DAEMON}removal of container c1 is already in progress"


def answer(complaint: str, code: int = 1) -> Completed:
    return Completed(("docker",), code, b"", complaint.encode())


@pytest.mark.parametrize(
    ("complaint", "absent", "being_removed"),
    [
        (f"{DAEMON}No such container: c1", True, False),
        (f"{DAEMON}No such image: debian:none", True, False),
        (REMOVED, False, True),
        ("Cannot connect to the Docker daemon: lookup nowhere: no such host", False, False),
    ],
)
def test_answers(complaint: str, absent: bool, being_removed: bool) -> None:
    found = answer(complaint)
    assert (docker_answers.is_absent(found), docker_answers.is_being_removed(found)) == (absent, being_removed)


def test_a_good_answer_may_say_anything() -> None:
    found = answer(REMOVED, code=0)
    assert docker_answers.good(found, "asking") is found
    assert not docker_answers.is_being_removed(found)


def test_a_failure_is_told_without_the_cli_s_preface() -> None:
    with pytest.raises(EnvironmentLacks) as lacks:
        docker_answers.good(answer(f"{REMOVED}\nmore\n"), "removing c1")
    assert (lacks.value.headline, lacks.value.detail) == (
        "docker: removal of container c1 is already in progress",
        ("more",),
    )


@pytest.mark.parametrize(
    ("status", "body", "lacks"),
    [(404, {"message": "No such image: x"}, True), (404, {"message": "page not found"}, False), (200, {}, False)],
)
def test_the_api(status: int, body: object, lacks: bool) -> None:
    assert docker_answers.lacks_image(status, body) is lacks
