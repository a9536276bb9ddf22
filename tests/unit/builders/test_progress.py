"""BuildKit's progress, read from recordings of real builds by buildx 0.29 and 0.13, cut anywhere and damaged."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.builders.progress import LAST_LINES, Cached, Done, Event, Log, Progress, Started, Warned
from imageyard.builders.rawjson import Splitter, Status
from imageyard.builders.request import BuildWarning, Steps

RECORDED = Path(__file__).parents[2] / "golden" / "progress"
NAMES = sorted(path.name.removesuffix(".rawjson") for path in RECORDED.glob("*.rawjson"))
RUN = (
    '[2/3] RUN set -e;     echo before;     echo "read: connection reset by peer"; '
    'echo "rpc error: code = Unavailable desc = unexpected EOF";     exit 42'
)


def recording(name: str) -> bytes:
    return (RECORDED / f"{name}.rawjson").read_bytes()


def whole(stream: bytes, *cuts: int) -> tuple[Progress, list[Event]]:
    """A stream read to its end, cut into chunks."""
    progress = Progress()
    events: list[Event] = []
    ends = [*sorted(cuts), len(stream)]
    for start, end in zip([0, *ends], ends, strict=False):
        events += progress.feed(stream[start:end])
    return progress, events + progress.end()


def told(events: list[Event]) -> str:
    """Events as a person would note them down."""
    lines = []
    for event in events:
        match event:
            case Started(name):
                lines.append(f"started  {name}")
            case Cached(name):
                lines.append(f"cached   {name}")
            case Done(name, _):
                lines.append(f"done     {name}")
            case Log(_, line):
                lines.append(f"  | {line}")
            case Warned(warning):
                lines.append(f"warning  {warning.dockerfile}:{warning.line}: {warning.text}")
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_events(name: str) -> None:
    _, events = whole(recording(name))
    assert told(events) == (RECORDED / f"{name}.events").read_text()


def test_both_versions_of_buildx_are_recorded() -> None:
    assert {"failing-run.buildx-0.29", "failing-run.buildx-0.13", "lost.buildx-0.29", "lost.buildx-0.13"} <= set(NAMES)
    assert recording("ok.buildx-0.29").startswith(b'{"vertexes"')
    assert recording("ok.buildx-0.13").startswith(b'{\n  "vertexes"')


@pytest.mark.parametrize("version", ["0.29", "0.13"])
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("ok", Steps(4, 0)),
        ("cached", Steps(4, 4)),
        ("failing-run", Steps(2, 0)),
        ("missing-file", Steps(2, 1)),
        ("syntax", Steps(0, 0)),
        ("warnings", Steps(1, 0)),
    ],
)
def test_steps(name: str, version: str, steps: Steps) -> None:
    progress, _ = whole(recording(f"{name}.buildx-{version}"))
    assert progress.steps == steps


FAILURES = [
    # recording, the step, said by a step, line, exit code, last lines, the message
    (
        "failing-run", RUN, True, 3, 42,
        ("before", "read: connection reset by peer", "rpc error: code = Unavailable desc = unexpected EOF"),
        "exit code 42",
    ),
    (
        "syntax", "RUNN echo oops", False, 3, None, (),
        "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)",
    ),
    ("missing-file", "[2/3] COPY nowhere.txt /x", True, 3, None, (), '"/nowhere.txt": not found'),
    ("no-such-base", "[internal] load metadata for registry.invalid/none:1", True, 1, None, (), "no such host"),
    ("lost", "", False, None, None, (), "error reading from server: EOF"),
    ("interrupted", "", False, None, None, (), "Canceled: context canceled"),
    ("unreachable", "[internal] waiting for connection", True, None, None, (), "context deadline exceeded"),
]  # fmt: skip


@pytest.mark.parametrize("version", ["0.29", "0.13"])
@pytest.mark.parametrize(("name", "step", "by_step", "line", "code", "lines", "message"), FAILURES)
def test_why_it_failed(
    name: str, step: str, by_step: bool, line: int | None, code: int | None, lines: tuple[str, ...], message: str,
    version: str,
) -> None:  # fmt: skip
    failure = whole(recording(f"{name}.buildx-{version}"))[0].failure()
    assert (failure.step, failure.by_step, failure.exit_code, failure.lines) == (step, by_step, code, lines)
    assert (failure.dockerfile, failure.line) == (("sub/Dockerfile", line) if line else (None, None))
    assert failure.message.endswith(message)
    assert not failure.message.startswith(("ERROR", "failed to build", "failed to solve"))


@pytest.mark.parametrize(
    ("name", "started"),
    [("unreachable", False), ("lost", True), ("syntax", True), ("failing-run", True), ("no-such-base", True)],
)
def test_whether_the_builder_had_begun(name: str, started: bool) -> None:
    assert whole(recording(f"{name}.buildx-0.29"))[0].started is started


@pytest.mark.parametrize("name", ["lost", "interrupted"])
def test_where_it_stood(name: str) -> None:
    progress, _ = whole(recording(f"{name}.buildx-0.29"))
    assert progress.at == ("[1/2] RUN echo started; sleep 60", ("started",))


def test_warnings_have_their_place() -> None:
    progress, _ = whole(recording("warnings.buildx-0.29"))
    assert progress.warnings[0] == BuildWarning(
        "StageNameCasing: Stage name 'Tools' should be lowercase (line 1)", "sub/Dockerfile", 1
    )
    assert [warning.line for warning in progress.warnings] == [1, 1, 2]


def test_how_long_a_step_took() -> None:
    _, events = whole(vertex(started="2026-01-01T00:00:59.9Z", completed="2026-01-01T00:01:01Z"))
    assert events == [Done("[1/1] RUN x", pytest.approx(1.1))]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_it_does_not_matter_where_the_stream_is_cut(name: str, data: st.DataObject) -> None:
    stream = recording(name)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    at_once, in_pieces = whole(stream), whole(stream, *cuts)
    assert in_pieces[1] == at_once[1]
    assert in_pieces[0].failure() == at_once[0].failure()


STRAY = st.one_of(
    st.sampled_from(
        [b"{", b"}", b"{}", b"{ not json", b'{"vertexes": 3}', b"ERROR: x", b"", b" ", b"\xff\xfe", b"[1]"]
    ),
    st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")),
)


@given(st.lists(STRAY, max_size=8), st.lists(st.integers(0, 200), max_size=6))
def test_any_bytes_are_read_the_same_however_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"\n".join(lines)
    at_once, in_pieces = whole(stream), whole(stream, *[min(cut, len(stream)) for cut in cuts])
    assert in_pieces[1] == at_once[1]
    assert in_pieces[0].failure() == at_once[0].failure()


@settings(max_examples=25, deadline=None)
@given(st.lists(STRAY.filter(lambda line: not line.startswith((b"{", b" ", b"}"))), min_size=1, max_size=4), st.data())
def test_lines_of_text_do_not_disturb_the_objects_around_them(strays: list[bytes], data: st.DataObject) -> None:
    lines = recording("failing-run.buildx-0.29").splitlines(keepends=True)
    objects = sum(line.startswith(b"{") for line in lines)
    for stray in strays:
        lines.insert(data.draw(st.integers(0, objects)), stray + b"\n")
    progress, events = whole(b"".join(lines))
    assert (progress.steps, progress.failure().step) == (Steps(2, 0), RUN)
    assert told(events) == (RECORDED / "failing-run.buildx-0.29.events").read_text()


def vertex(**fields: object) -> bytes:
    return json.dumps({"vertexes": [{"digest": "sha256:1", "name": "[1/1] RUN x", **fields}]}).encode() + b"\n"


def log(data: bytes) -> bytes:
    return json.dumps({"logs": [{"vertex": "sha256:1", "data": base64.b64encode(data).decode()}]}).encode() + b"\n"


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\nt", b"wo"], ["one", "two"]),
        ([b"gr\xc3", b"\xbcn\n"], ["grün"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"one\r\n"], ["one"]),
        ([b"\n\n"], ["", ""]),
        ([b""], []),
    ],
)
def test_lines_that_steps_write(written: list[bytes], lines: list[str]) -> None:
    stream = vertex(started="2026-01-01T00:00:00Z") + b"".join(map(log, written))
    _, events = whole(stream + vertex(completed="2026-01-01T00:00:01Z"))
    assert [event.line for event in events if isinstance(event, Log)] == lines


def test_a_failed_step_keeps_its_last_lines() -> None:
    stream = log(b"".join(b"line %d\n" % number for number in range(100)))
    failure = whole(vertex() + stream + vertex(error="process did not complete successfully: exit code: 3"))[
        0
    ].failure()
    assert failure.lines == tuple(f"line {number}" for number in range(100 - LAST_LINES, 100))


def test_the_first_error_counts_and_a_cancelled_step_did_not_fail() -> None:
    stream = b"".join(
        json.dumps({"vertexes": [{"digest": name, "name": name, "error": error}]}).encode() + b"\n"
        for name, error in [("a", "context canceled: context canceled"), ("b", "it broke"), ("c", "this too")]
    )
    assert whole(stream)[0].failure().step == "b"


def test_the_message_is_what_follows_the_last_error() -> None:
    stream = b"WARNING: careful\nERROR: failed to build: failed to solve: one\ntwo\n\n"
    assert whole(stream)[0].failure().message == "one\ntwo"
    assert whole(b"panic: boom\n")[0].failure().message == "panic: boom"


def test_secrets_are_taken_out_of_everything() -> None:
    kept: list[Status | str] = []
    progress = Progress(lambda text: text.replace("hunter2", "***"), kept.append)
    stream = vertex(started="2026-01-01T00:00:00Z") + log(b"pass hunt") + log(b"er2 yes") + vertex(error="bad hunter2")
    events = progress.feed(stream + b"ERROR: hunter2\n") + progress.end()
    assert Log("[1/1] RUN x", "pass *** yes") in events
    assert progress.failure().message == "***"
    assert progress.failure().lines == ("pass *** yes",)
    assert {"logs": [{"vertex": "sha256:1", "stream": 1, "data": base64.b64encode(b"pass *** yes\n").decode()}]} in kept
    assert "hunter2" not in json.dumps(kept)


def test_what_is_kept_can_be_read_again() -> None:
    for name in NAMES:
        kept: list[Status | str] = []
        progress = Progress(keep=kept.append)
        events = progress.feed(recording(name)) + progress.end()
        lines = [part if isinstance(part, str) else json.dumps(part) for part in kept]
        again, events_again = whole("".join(f"{line}\n" for line in lines).encode())
        assert told(events_again) == told(events)
        assert again.failure() == progress.failure()


def test_the_splitter_gives_an_unfinished_object_as_text() -> None:
    splitter = Splitter()
    parts = [*splitter.feed(b'{\n  "vertexes": [\nERROR: gone\n{"a": 1}\n{\n "b": 2\n'), *splitter.end()]
    assert parts == ["{", '  "vertexes": [', "ERROR: gone", {"a": 1}, "{", ' "b": 2']
