"""The repositories that commands are recorded in: made from `inputs/`, with fixed commits, away from all else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

INPUTS = Path(__file__).parent / "inputs"
CONTEXT = Path(".ci", "docker")
TASKS = "from imageyard.cli import namespace\n\nns = namespace()\n"
NOXFILE = "from imageyard import sessions\n\nsessions.register()\n"
DOCKER = (
    '#!/bin/sh\necho "Cannot connect to the Docker daemon at $DOCKER_HOST. Is the docker daemon running?" >&2\nexit 1\n'
)
LOCK = "".join(
    f"{ref}@sha256:{str(n) * 64}  # 2026-01-01\n"
    for n, ref in enumerate(("debian:bookworm-slim", "debian:trixie-slim", "ubuntu:22.04", "ubuntu:24.04"), 1)
)
PYTORCH_DOCKERFILE = """\
ARG UBUNTU_VERSION
FROM ubuntu:${UBUNTU_VERSION} AS base
ARG UBUNTU_VERSION
ARG PYTHON_VERSION
ARG GCC_VERSION
ARG CLANG_VERSION
ARG CUDA_VERSION
ARG KATEX
ARG TRITON
COPY common/install.sh /tmp/
RUN sh /tmp/install.sh
"""
CLOSED = "127.0.0.1:1"
"""Nothing listens there."""


class _Registry(BaseHTTPRequestHandler):
    """A registry that has nothing; its first folder says how it answers."""

    def _answer(self) -> None:
        folder = [*self.path.split("/"), "", ""][2]
        status, code, headers = {
            "denied": (403, "DENIED", {}),
            "login": (401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="stub"'}),
            "broken": (500, "UNKNOWN", {}),
            "busy": (429, "TOOMANYREQUESTS", {"Retry-After": "1"}),
            "": (200, "", {}),
        }.get(folder, (404, "MANIFEST_UNKNOWN", {}))
        said: dict[str, Any] = {"errors": [{"code": code, "message": "said by the stub"}]} if code else {}
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  (http.server's names)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Scenes:
    """All repositories below `base`, whose path has the same length wherever it is made: tables are as wide."""

    base: Path
    port: int
    pristine: dict[str, tuple[tuple[int, ...], bytes]] = field(default_factory=dict)

    def environment(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The whole environment of a command; None takes a variable away."""
        found: dict[str, str | None] = {
            "PATH": str(self.base / "bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "XDG_CACHE_HOME": str(self.base / "home" / "cache"),
            "XDG_RUNTIME_DIR": str(self.base / "tmp"),
            "DOCKER_HOST": f"unix://{self.base}/none.sock",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTPS_PROXY": f"http://{CLOSED}",
            "NO_PROXY": "127.0.0.1",
            **{name: self.put(value) for name, value in (extra or {}).items()},
        }
        return {name: value for name, value in found.items() if value is not None}

    def put(self, text: str | None) -> str | None:
        """A text of a recording with what is so only here and now."""
        return text and text.replace("<scratch>", str(self.base)).replace("<port>", str(self.port))

    def taken(self, text: str) -> str:
        """A text without what is so only here and now."""
        text = text.replace(str(self.base), "<scratch>").replace(f"127.0.0.1:{self.port}", "127.0.0.1:<port>")
        text = re.sub(r"\b\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}\b", "<run>", text)
        text = re.sub(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)", "<time>", text)
        text = re.sub(r'("seconds": )[\d.]+', r"\1<seconds>", text)
        text = text.replace("nox > uv binary not found.\n", "")
        text = re.sub(r"\bend-[0-9a-f]{32}\b", "end-<random>", text)
        text = re.sub(r"(?<=  )\d\.\d s(?=  )", "<s> s", text)
        text = re.sub(r"imageyard-[0-9a-f]{8}\b", "imageyard-<hash>", text)
        return re.sub(r"\b(in|took) (\d+(\.\d+)? (seconds?|ms|minutes?)\b( and )?)+", r"\1 <duration>", text)

    def changes(self) -> dict[str, Any]:
        """The files that a command wrote or removed; everything is as it was afterwards."""
        found: dict[str, Any] = {}
        now = {str(path.relative_to(self.base)): path for path in _files(self.base)}
        for name in sorted({*now, *self.pristine}):
            stamp, kept = self.pristine.get(name, (None, None))
            if name in now and stamp == _stamp(now[name]):
                continue
            content = _content(now[name]) if name in now else None
            if content != kept:
                quiet = "/.imageyard/" in name and not name.endswith("/result.json")
                found[self.taken(name)] = None if content is None else "" if quiet else self._text(content)
            self._restore(name)
        for state in (*self.base.glob("*/.imageyard"), *self.base.glob("*/*/.imageyard")):
            shutil.rmtree(state)
        return found

    def _text(self, content: bytes) -> list[str]:
        return self.taken(content.decode(errors="replace")).split("\n")

    def _restore(self, name: str) -> None:
        path = self.base / name
        if name in self.pristine:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.pristine[name][1])
            self.pristine[name] = _stamp(path), self.pristine[name][1]
        else:
            path.unlink()

    def freeze(self) -> None:
        """Remember what is there now."""
        for path in _files(self.base):
            self.pristine[str(path.relative_to(self.base))] = _stamp(path), _content(path)

    def git(self, top: Path, *argv: str) -> str:
        """Git with a fixed time and nobody's configuration."""
        when = "2026-01-02T03:04:05+00:00"
        env = {**self.environment(), "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        done = subprocess.run(["git", "-C", str(top), *argv], env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def repository(self, name: str) -> Path:
        """A new one with what every one has; `commit` ends it."""
        top = self.base / name
        (top / CONTEXT).mkdir(parents=True)
        self.git(top, "init", "--quiet")
        (top / "tasks.py").write_text(TASKS)
        (top / "noxfile.py").write_text(NOXFILE)
        (top / ".gitignore").write_text(".imageyard/\n__pycache__/\n.nox/\n/.ci/docker/stub-*.yml\n")
        return top

    def commit(self, top: Path, message: str = "State") -> None:
        self.git(top, "add", "--all")
        self.git(top, "commit", "--quiet", "--allow-empty", f"--message={message}")


def _files(base: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__")]
        yield from (Path(folder, name) for name in names)


def _content(path: Path) -> bytes:
    return os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()


def _stamp(path: Path) -> tuple[int, ...]:
    said = path.lstat()
    return said.st_mtime_ns, said.st_size, said.st_ino, said.st_mode


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new), "utf-8")


def _ours(scenes: Scenes, name: str, *, locked: bool) -> Path:
    top = scenes.repository(name)
    shutil.copytree(INPUTS / "ours", top / CONTEXT, dirs_exist_ok=True, symlinks=True)
    for example in ("pytorch", "debian"):
        (top / "examples" / example).mkdir(parents=True)
        shutil.copy(INPUTS / "examples" / f"{example}.yml", top / "examples" / example / "images.yml")
    if locked:
        (top / CONTEXT / "images.lock").write_text(LOCK)
    return top


def _stubs(scenes: Scenes, top: Path) -> None:
    """Catalogues beside ours whose registry answers, each in its way; no git, for the port is in them."""
    text = (top / CONTEXT / "images.yml").read_text("utf-8")
    line = "registry: ghcr.io/imageyard/ci-image\n"
    assert line in text
    places = {name: f"127.0.0.1:{scenes.port}/{name}" for name in ("absent", "denied", "login", "broken", "busy")}
    for name, place in {**places, "closed": f"{CLOSED}/closed"}.items():
        pair = f"registry: {{trusted: {place}/ci-image, branch: {place}/ci-image-branch}}\n"
        pair += f"cache: {{trusted: {place}/cache, branch: {place}/cache-branch}}\n"
        more = f"mirrors: [{place}/mirror]\n" if name in ("absent", "denied") else ""
        (top / CONTEXT / f"stub-{name}.yml").write_text(text.replace(line, pair + more), "utf-8")
    (top / CONTEXT / "stub-bad.yml").write_text(text.replace("dockerfile: linter", "dockerfille: linter"), "utf-8")
    (top / CONTEXT / "stub-lost.yml").write_text(text.replace("linter/Dockerfile", "gone/Dockerfile"), "utf-8")
    (top / CONTEXT / "stub-alone.yml").write_text(text.replace(line, ""), "utf-8")


def _pytorch(scenes: Scenes) -> None:
    top = scenes.repository("pytorch")
    context = top / CONTEXT
    shutil.copy(INPUTS / "examples" / "pytorch.yml", context / "images.yml")
    for name in ("ubuntu", "ubuntu-rocm", "ubuntu-xpu", "linter", "linter-cuda"):
        (context / name).mkdir()
        (context / name / "Dockerfile").write_text(f"{PYTORCH_DOCKERFILE}RUN echo {name}\n")
    (context / "common").mkdir()
    (context / "common" / "install.sh").write_text("true\n")
    (context / "images.lock").write_text(LOCK)
    scenes.commit(top)


def _moved_on(scenes: Scenes) -> None:
    """A repository with two commits, and the same with changes that are not committed."""
    for name in ("moved", "dirty"):
        top = _ours(scenes, name, locked=True)
        scenes.commit(top, "One")
        _replace(top / CONTEXT / "linter" / "requirements.txt", "\n", "\n# another line\n")
        if name == "moved":
            scenes.commit(top, "Two")


def _events(scenes: Scenes) -> None:
    """The checkouts in which events are judged, as `test_events` has them, with our catalogue in each."""
    origin = _ours(scenes, "origin", locked=True)
    scenes.commit(origin, "one")
    scenes.commit(origin, "two")
    scenes.git(origin, "branch", "stale", "HEAD~1")
    for branch in ("release/2.9", "compiler"):
        scenes.git(origin, "checkout", "--quiet", "-b", branch, "main")
        scenes.commit(origin, branch)
    scenes.git(origin, "checkout", "--quiet", "main")
    for name in ("main", "release-2.9", "compiler", "shallow", "alone"):
        at = scenes.base / "at" / name
        options = ("--depth=1",) if name == "shallow" else ()
        scenes.git(scenes.base, "clone", "--quiet", *options, origin.as_uri(), str(at))
        if name not in ("shallow", "alone"):
            branch = name.replace("-", "/")
            scenes.git(at, "checkout", "--quiet", "--detach", f"origin/{branch}")
        _stubs(scenes, at)
    scenes.git(scenes.base / "at" / "alone", "remote", "remove", "origin")
    nowhere = scenes.base / "at" / "nowhere"
    shutil.copytree(origin, nowhere, ignore=shutil.ignore_patterns(".git"))


def _merge(scenes: Scenes) -> None:
    """The merge commit of a pull request, as a job checks it out; our catalogue's registry is the stub there."""
    at = scenes.base / "at" / "merge"
    scenes.git(scenes.base, "clone", "--quiet", (scenes.base / "origin").as_uri(), str(at))
    scenes.git(at, "checkout", "--quiet", "-b", "topic")
    _replace(at / CONTEXT / "linter" / "requirements.txt", "\n", "\n# another line\n")
    scenes.commit(at, "topic")
    scenes.git(at, "checkout", "--quiet", "--detach", "origin/main")
    scenes.git(at, "merge", "--quiet", "--no-ff", "--message=merge", "topic")
    shutil.copy(scenes.base / "locked" / CONTEXT / "stub-absent.yml", at / CONTEXT / "images.yml")


def _bases(scenes: Scenes) -> None:
    """An image for each way in which the registry of its base answers; the port is in no commit."""
    top = scenes.repository("bases")
    scenes.commit(top)
    names = ("absent", "denied", "login", "broken", "busy")
    for name in names:
        (top / CONTEXT / f"{name}.Dockerfile").write_text(f"FROM 127.0.0.1:{scenes.port}/{name}/base:1\n")
    images = "".join(f"      linux-{name}: {{dockerfile: {name}.Dockerfile}}\n" for name in names)
    text = f"axes: {{plain: {{linux, {', '.join(names)}}}}}\nimages:\n  f:\n    arches: [amd64]\n    names:\n{images}"
    (top / CONTEXT / "images.yml").write_text(text)
    lock = [f"127.0.0.1:{scenes.port}/{name}/base:1@sha256:{'1' * 64}  # 2026-01-01\n" for name in names[:3]]
    (top / CONTEXT / "images.lock").write_text("".join(lock))


def _results(scenes: Scenes) -> None:
    """What the jobs of a workflow left: a plan, and how some rows of it ended."""
    top = scenes.base / "empty"
    row = {
        "image": "linux-x",
        "arch": "amd64",
        "needs": [],
        "action": "build",
        "reason": "",
        "tag": "linux-x-1",
        "code": 0,
    }
    plan = {"rows": [row, {**row, "arch": "arm64"}], "images": [{**row, "step": "promote"}]}
    (top / "plan.json").write_text(json.dumps(plan))
    results: dict[str, dict[str, Any]] = {
        "result-row-linux-x-amd64": {"code": 0, "headline": "", "rows": []},
        "result-row-linux-x-arm64": {"code": 6, "headline": "linux-x arm64: a check failed", "rows": []},
        "result-promote-linux-x": {"code": 7, "headline": "linux-x is not there", "rows": []},
    }
    for name, said in results.items():
        (top / "results" / name).mkdir(parents=True)
        (top / "results" / name / "result.json").write_text(json.dumps(said))
    (top / "bad").mkdir()
    (top / "bad" / "plan.json").write_text("{}")


def _build(scenes: Scenes) -> None:
    for folder in ("bin", "bare", "home", "tmp", "empty", "events"):
        (scenes.base / folder).mkdir()
    git = shutil.which("git")
    assert git
    for folder in ("bin", "bare"):
        (scenes.base / folder / "git").symlink_to(git)
    (scenes.base / "bin" / "docker").write_text(DOCKER)
    (scenes.base / "bin" / "docker").chmod(0o755)
    (scenes.base / "home" / ".gitconfig").write_text(
        "[user]\nname = Test\nemail = test@example.invalid\n[init]\ndefaultBranch = main\n"
        "[advice]\ndetachedHead = false\n[core]\nfileMode = true\n"
    )
    scenes.commit(_ours(scenes, "ours", locked=False))
    stubbed = _ours(scenes, "locked", locked=True)
    _stubs(scenes, stubbed)
    scenes.commit(stubbed)
    debian = _ours(scenes, "debian", locked=True)
    shutil.copy(INPUTS / "examples" / "debian.yml", debian / CONTEXT / "images.yml")
    scenes.commit(debian)
    for name in ("parents", "forms"):
        top = scenes.repository(name)
        shutil.copytree(INPUTS / name, top / CONTEXT, dirs_exist_ok=True, symlinks=True)
        scenes.commit(top)
    _pytorch(scenes)
    _moved_on(scenes)
    _events(scenes)
    _merge(scenes)
    _bases(scenes)
    _results(scenes)


@contextmanager
def scenes() -> Iterator[Scenes]:
    """All of them, with the registry that they ask; gone afterwards."""
    umask = os.umask(0o022)
    base = Path(tempfile.mkdtemp(prefix="recorded-", dir="/tmp"))  # a path of one length, everywhere
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = Scenes(base, server.server_address[1])
        _build(found)
        yield found
    finally:
        server.shutdown()
        server.server_close()
        os.umask(umask)
        shutil.rmtree(base)
