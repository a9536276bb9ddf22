"""What a build came to, decided from recordings that a stand-in for buildx plays back."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from imageyard.builders import buildx
from imageyard.builders.request import BuildInterrupted, BuildRequest, Built, Failed, Lost, Outcome, Steps, Unreachable
from imageyard.errors import EnvironmentLacks

RECORDED = Path(__file__).parents[2] / "golden" / "progress"


class Silent:
    """A board that remembers the log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step_started(self, name: str) -> None: ...
    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...
    def log(self, line: str) -> None:
        self.lines.append(line)


def program(folder: Path, body: str) -> str:
    path = folder / "docker-buildx"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def asked(**changes: object) -> BuildRequest:
    return BuildRequest(Path("context"), Path("Dockerfile"), "linux/amd64", **changes)  # type: ignore[arg-type]


def played(folder: Path, body: str, request: BuildRequest | None = None, **options: object) -> Outcome:
    request = request or asked()
    return buildx.build(
        request, program=program(folder, body), board=Silent(), raw=folder / "raw", **options,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("version", ["0.29", "0.13"])
@pytest.mark.parametrize(
    ("name", "code", "outcome"),
    [
        ("ok", 0, Built),
        ("failing-run", 1, Failed),
        ("syntax", 1, Failed),
        ("missing-file", 1, Failed),
        ("no-such-base", 1, Failed),
        ("lost", 1, Lost),
        ("unreachable", 1, Unreachable),
        ("interrupted", 1, BuildInterrupted),
        ("interrupted", 130, BuildInterrupted),
    ],
)
def test_recordings(tmp_path: Path, name: str, code: int, outcome: type[Outcome], version: str) -> None:
    recording = RECORDED / f"{name}.buildx-{version}.rawjson"
    assert isinstance(played(tmp_path, f"cat '{recording}' >&2; exit {code}"), outcome)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        # what buildx 0.29 and 0.13 say before anything of the build has started
        ("Cannot connect to the Docker daemon at unix:///nowhere.sock. Is the docker daemon running?", Unreachable),
        (
            'error during connect: Head "http://pool.test:2/_ping": dial tcp: lookup pool.test: no such host',
            Unreachable,
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///d.sock: Head ...: "
            "connect: permission denied",
            Unreachable,
        ),
        ("failed to build: context deadline exceeded", Unreachable),
        ("failed to list workers: Unavailable: connection error", Unreachable),
        ('no builder "nonesuch" found', Failed),
        ("unknown flag: --nonesuch", Failed),
        ("failed to build: Attestation is not supported for the docker driver.", Failed),
        ('failed to read dockerfile: open "EOF notes": no such file', Failed),
    ],
)
def test_before_the_build(tmp_path: Path, error: str, outcome: type[Outcome]) -> None:
    (tmp_path / "error").write_text(f"ERROR: {error}\n")
    found = played(tmp_path, f"cat '{tmp_path}/error' >&2; exit 1")
    assert isinstance(found, outcome)
    said = found.message if isinstance(found, Failed) else found.cause  # type: ignore[union-attr]
    assert said == error.removeprefix("failed to build: ")


@pytest.mark.parametrize("by_step", [True, False])
def test_a_context_that_the_builder_could_not_fetch_is_no_failed_build(tmp_path: Path, by_step: bool) -> None:
    words = "rpc error: code = Unknown desc = no http response from session for czpf10gcyo0x"
    vertex = {"digest": "sha256:a", "name": "[internal] load remote build context", "started": "2026-01-31T00:00:00Z"}
    if by_step:
        vertex |= {"completed": "2026-01-31T00:00:01Z", "error": words}
    (tmp_path / "said").write_text(json.dumps({"vertexes": [vertex]}) + "\n")
    (tmp_path / "error").write_text(f"ERROR: failed to build: failed to read downloaded context: {words}\n")
    found = played(tmp_path, f"cat '{tmp_path}/said' '{tmp_path}/error' >&2; exit 1")
    assert isinstance(found, Lost)
    assert "no http response from session" in found.cause


def test_a_step_that_is_told_of_twice_counts_once(tmp_path: Path) -> None:
    done = {"started": "2026-01-31T00:00:00Z", "completed": "2026-01-31T00:00:01Z"}
    steps = [("a", "[1/2] ADD root.tar /", True), ("b", "[1/2] ADD root.tar /", True), ("c", "[2/2] RUN true", False)]
    told = [{"digest": f"sha256:{digest}", "name": name, "cached": hit, **done} for digest, name, hit in steps]
    (tmp_path / "said").write_text(json.dumps({"vertexes": told}) + "\n")
    found = played(tmp_path, f"cat '{tmp_path}/said' >&2")
    assert isinstance(found, Built)
    assert found.steps == Steps(2, 1)


def test_what_was_built(tmp_path: Path) -> None:
    digest = "sha256:" + "1" * 64
    metadata = tmp_path / "metadata.json"
    request = asked(metadata_file=metadata)
    recording = RECORDED / "cached.buildx-0.29.rawjson"
    for written, known in [
        (f'{{"containerimage.digest": "{digest}"}}', (digest, digest)),
        (f'{{"containerimage.digest": "{digest}", "containerimage.config.digest": "{digest}"}}', (None, digest)),
        ("{}", (None, None)),
        ("not json", (None, None)),
    ]:
        metadata.write_text(written)
        found = played(tmp_path, f"cat '{recording}' >&2", request)
        assert isinstance(found, Built)
        assert (found.digest, found.image_id, found.steps) == (*known, Steps(4, 4))


def test_a_full_disk_is_recognised(tmp_path: Path) -> None:
    for number, text in enumerate(
        [(RECORDED / "disk-full.buildx-0.29.rawjson").read_text(), "ERROR: no space left on device"]
    ):
        (tmp_path / str(number)).write_text(text)
        found = played(tmp_path, f"cat '{tmp_path}/{number}' >&2; exit 1")
        assert isinstance(found, Failed)
        assert "docker builder prune" in found.hint


def test_out_of_time(tmp_path: Path) -> None:
    recording = RECORDED / "lost.buildx-0.29.rawjson"
    stopped = "echo ERROR: Canceled: context canceled >&2; exit 130"
    body = f"head -n -1 '{recording}' >&2; trap '{stopped}' INT; sleep 60 & wait"
    found = played(tmp_path, body, timeout=1.0)
    assert isinstance(found, Failed)
    assert (found.step, found.lines) == ("[1/2] RUN echo started; sleep 60", ("started",))
    assert found.message == "the build did not end within 1 s"


def test_the_child_gets_what_it_needs_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TOKEN", "hunter2-value")
    monkeypatch.setenv("BUILDX_BUILDER", "mine")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    request = asked(secrets=(("t", "env", "HUB_TOKEN"), ("u", "env", "UNSET_TOKEN")))
    played(
        tmp_path,
        f'env >"{tmp_path}/env"; echo "$@" >"{tmp_path}/argv"',
        request,
        env={"DOCKER_HOST": "unix:///d"},
    )
    given = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert given["HUB_TOKEN"] == "hunter2-value"
    assert given["DOCKER_HOST"] == "unix:///d"
    assert not {"BUILDX_BUILDER", "SOURCE_DATE_EPOCH", "UNSET_TOKEN"} & set(given)
    assert given["BUILDX_CONFIG"].startswith(os.environ.get("TMPDIR", "/tmp"))
    assert not Path(given["BUILDX_CONFIG"]).parent.exists()
    assert "hunter2" not in (tmp_path / "argv").read_text()


@pytest.mark.parametrize("lines", [1, 3, 200])
def test_secrets_stay_out_of_the_stream_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    secret = "".join(f"line-{number}-of-it\n" for number in range(lines))
    (tmp_path / "secret").write_text(secret)
    monkeypatch.setenv("HUB_TOKEN", "hunter2-value")
    (tmp_path / "error").write_text(f"ERROR: it says hunter2-value\n{secret}")
    request = asked(secrets=(("t", "env", "HUB_TOKEN"), ("f", "file", str(tmp_path / "secret"))))
    found = played(tmp_path, f"cat '{tmp_path}/error' >&2; exit 1", request)
    assert isinstance(found, Failed)
    for text in (found.message, (tmp_path / "raw").read_text()):
        assert "hunter2" not in text
        assert "-of-it" not in text
        assert text.count("***") == lines + 1


def test_finding_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, extra = tmp_path / "config", tmp_path / "extra"
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    for folder in (config / "cli-plugins", extra):
        folder.mkdir(parents=True)
    (config / "config.json").write_text(f'{{"cliPluginsExtraDirs": ["{extra}"]}}')
    own, other = config / "cli-plugins" / "docker-buildx", extra / "docker-buildx"
    for path in (own, other):
        path.write_text("#!/bin/sh\necho github.com/docker/buildx v0.30.0 abc\n")
        path.chmod(0o755)
    assert buildx.find() == str(own)
    assert buildx.version(str(own)) == "0.30.0"
    own.chmod(stat.S_IRUSR)
    assert buildx.find() == str(other)


def test_a_plugin_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="does not run") as caught:
        buildx.version(program(tmp_path, "echo bad CPU type >&2; exit 1"))
    assert caught.value.detail == ("bad CPU type",)
    assert caught.value.hint


def test_a_version_is_kept_for_as_long_as_the_binary_is_the_same(tmp_path: Path) -> None:
    plugin, kept = (
        Path(program(tmp_path, "echo github.com/docker/buildx v0.30.0 abc; echo x >> asked")),
        tmp_path / "kept",
    )
    plugin.write_text(plugin.read_text().replace(">> asked", f">> '{tmp_path}/asked'"))

    assert [buildx.kept_version(str(plugin), kept) for _ in range(3)] == ["0.30.0"] * 3
    assert (tmp_path / "asked").read_text() == "x\n"

    plugin.write_text(plugin.read_text().replace("0.30.0", "0.31.0-rc1"))
    assert buildx.kept_version(str(plugin), kept) == "0.31.0-rc1"
    kept.write_text("{")
    assert buildx.kept_version(str(plugin), kept) == "0.31.0-rc1"
