"""The Docker engine: find one that answers; inspect, tag and list images; run containers. Mostly through its CLI."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from imageyard import daemon, docker_answers, process
from imageyard.errors import ImageyardError, NotFound
from imageyard.names import Digest, platform_text

__all__ = ["Container", "Engine", "ImageStore", "LoadedImage", "Ran"]

ImageStore: TypeAlias = Literal["containerd", "classic"]

_REMOVAL = 60.0
"""Seconds that somebody else's removal of a container is waited for."""


@dataclass(frozen=True)
class LoadedImage:
    """An image in the engine.

    `id` is what the engine knows it by. `digest` is that of its manifest or index, None on the classic store, which
    keeps none. `platform` is `linux/amd64`, `size` is in bytes, `created` is RFC 3339.
    """

    id: str
    digest: Digest | None
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    platform: str
    size: int
    created: str


@dataclass(frozen=True)
class Container:
    """A container, running or not; `value` is that of the label that it was found by."""

    id: str
    name: str
    image: str
    state: str
    value: str


@dataclass(frozen=True)
class Ran:
    """A program that was run in a container.

    `started` is False where the container never ran: then `err` is the engine's complaint and `code` means nothing. A
    program that the image lacks did run, with exit code 127, or 126 where it may not be executed.
    """

    started: bool
    code: int
    out: bytes
    err: bytes


@dataclass(frozen=True)
class Engine:
    """An engine that answered. `env` is what a child needs to speak to the same one; `origin` says how it was found."""

    program: str
    origin: str
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @classmethod
    def find(cls, stack_socket: Path | None = None) -> Engine:
        """The engine of DOCKER_HOST or of the current context if it answers, else the one of the local stack.

        Raises EnvironmentLacks with everything that was tried where none does.
        """
        return cls(*daemon.find(stack_socket))

    @property
    def host(self) -> str:
        """The address that `env` or ours names, or the context's default."""
        return self.env.get("DOCKER_HOST") or os.environ.get("DOCKER_HOST", "")

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What `docker info` says; slower than the rest, so asked when something needs it."""
        found: dict[str, Any] = self._get("/info") or json.loads(self._ask("info", "--format", "{{json .}}").out)
        return found

    @cached_property
    def image_store(self) -> ImageStore:
        """Which store holds the images: only containerd's keeps digests, attestations and indexes."""
        status = dict(pair for pair in self.info.get("DriverStatus") or () if len(pair) == 2)
        return "containerd" if str(status.get("driver-type", "")).startswith("io.containerd.snapshotter") else "classic"

    @property
    def storage(self) -> str:
        """The storage driver, `overlay2` or `overlayfs`."""
        return str(self.info.get("Driver", ""))

    def inspect(self, reference: str) -> LoadedImage | None:
        """The image under a name, digest or id, or None where the engine has none."""
        status, found = self._api(f"/images/{daemon.quoted(reference)}/json")
        if status == 200:
            return _image(found)
        if docker_answers.lacks_image(status, found):
            return None
        answer = self._run("image", "inspect", reference)
        if answer.code and docker_answers.is_absent(answer):
            return None
        return _image(json.loads(docker_answers.good(answer, f"inspecting {reference}").out)[0])

    def tag(self, source: str, target: str) -> None:
        """Give an image another name. Raises NotFound where there is none under `source`."""
        repository, _, tag = target.rpartition(":")
        question = f"/images/{daemon.quoted(source)}/tag?repo={daemon.quoted(repository)}&tag={tag}"
        if "/" not in tag and self._api(question, "POST")[0] == 201:
            return
        answer = self._run("tag", source, target)
        if answer.code and docker_answers.is_absent(answer):
            raise NotFound(f"the engine has no image {source}", doing=f"tagging it {target}")
        docker_answers.good(answer, f"tagging {source}")

    def load(self, archive: Path) -> None:
        """Take in the images of an archive, under the names that it gives them."""
        self._ask("load", "--quiet", "--input", str(archive))

    def untag(self, reference: str) -> bool:
        """Take a name away, and the image with its last one; False where there was none."""
        status, found = self._api(f"/images/{daemon.quoted(reference)}", "DELETE")
        if status == 200 or docker_answers.lacks_image(status, found):
            return status == 200
        answer = self._run("rmi", reference)
        if answer.code and docker_answers.is_absent(answer):
            return False
        docker_answers.good(answer, f"removing {reference}")
        return True

    def images(self, label: str) -> tuple[LoadedImage, ...]:
        """The images that carry a label, given as `NAME` or `NAME=VALUE`."""
        if (listed := self._get(f"/images/json?filters={daemon.by_label(label)}")) is not None:
            each = [self.inspect(one["Id"]) for one in listed]
            return tuple(one for one in each if one is not None)
        ids = self._ask("image", "ls", "--no-trunc", "--quiet", "--filter", f"label={label}").text.split()
        if not ids:
            return ()
        # One that goes away meanwhile is complained of; the others are printed all the same.
        found = json.loads(self._run("image", "inspect", *dict.fromkeys(ids)).out or b"[]")
        return tuple(_image(one) for one in found)

    def tags(self, repository: str) -> Mapping[str, Digest]:
        """The tags of a repository's images and the ids behind them, by one question."""
        if (known := self._get(f"/images/json?filters={daemon.by_reference(repository)}")) is not None:
            names = [(name.rpartition(":"), one["Id"]) for one in known for name in one["RepoTags"] or ()]
            return {tag: Digest(id) for (within, _, tag), id in names if within == repository}
        listed = self._ask("image", "ls", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", repository).text.splitlines()
        return {tag: Digest(id) for tag, id in (line.split(" ") for line in listed)}

    def containers(self, label: str) -> tuple[Container, ...]:
        """The containers, running or not, that carry a label, given as `NAME` or `NAME=VALUE`."""
        key = label.partition("=")[0]
        if (known := self._get(f"/containers/json?all=1&filters={daemon.by_label(label)}")) is not None:
            fields = ((c["Id"], c["Names"][0].lstrip("/"), c["Image"], c["State"], c["Labels"][key]) for c in known)
            return tuple(Container(*each) for each in fields)
        columns = ("{{.ID}}", "{{.Names}}", "{{.Image}}", "{{.State}}", '{{.Label "' + key + '"}}')
        options = ["--all", "--no-trunc", "--filter", f"label={label}", "--format", "\t".join(columns)]
        return tuple(Container(*line.split("\t")) for line in self._ask("ps", *options).text.splitlines())

    def remove(self, container: str) -> None:
        """Kill and remove a container and wait until it is gone; that there is none is no error.

        Somebody else may be removing it: the engine refuses a second removal until then (moby, daemon/delete.go).
        """
        overdue = time.monotonic() + _REMOVAL
        while docker_answers.is_being_removed(answer := self._run("rm", "--force", "--volumes", container)):
            if time.monotonic() > overdue:
                break
            time.sleep(0.1)
        if not docker_answers.is_absent(answer):
            docker_answers.good(answer, f"removing container {container}")

    def run(
        self,
        image: str,
        argv: Sequence[str],
        *,
        platform: str | None = None,
        labels: Mapping[str, str] | None = None,
        network: str = "none",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Ran:
        """Run a program of an image in a container of its own, past the image's entry point, to its end.

        The image must be there: nothing is pulled. `timeout` is in seconds.
        Raises TimeoutError past it; the container is gone then, and on an interrupt too.
        """
        with self._container() as name:
            variables = [part for key, value in sorted((env or {}).items()) for part in ("--env", f"{key}={value}")]
            options = [*_options(name, platform, labels, network), *variables]
            command = ["run", *options, "--entrypoint", argv[0], image, *argv[1:]]
            # docker run would pass the signal on and wait for a program that may not care.
            answer = process.run(
                [self.program, *command], env=self.env, timeout=timeout, stop=lambda: self._discard(name)
            )
        # docker's own failures end in 125, 126 and 127 (docs.docker.com, "docker container run", exit status), and so
        # may any program: the engine's events tell them apart.
        started = answer.code != 125 or self._has_started(name)
        return Ran(started, answer.code, answer.out, answer.err)

    def shell(
        self,
        image: str,
        argv: Sequence[str] = ("/bin/sh",),
        *,
        platform: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> int:
        """A program in an image on our own terminal, with the default network; returns its exit code."""
        with self._container() as name:
            terminal = ["--tty"] if sys.stdin.isatty() else []
            options = [*_options(name, platform, labels, None), "--interactive", *terminal, "--entrypoint", argv[0]]
            return process.attach([self.program, "run", *options, image, *argv[1:]], env=self.env)

    @contextmanager
    def _container(self) -> Iterator[str]:
        """A name for a container that does not outlive the block, however that ends."""
        name = f"imageyard-{secrets.token_hex(6)}"
        try:
            yield name
        except BaseException:
            self._discard(name)
            raise

    def _discard(self, container: str) -> None:
        """Remove a container on the way out: what an engine that went away says would hide why we are leaving."""
        with suppress(ImageyardError):
            self.remove(container)

    def _has_started(self, container: str) -> bool:
        """Ask the last events; `0s` as their end would cut the seconds of now off."""
        span = ["--since", "0", "--until", f"{time.time():.9f}"]
        answer = self._ask("events", *span, "--filter", f"container={container}", "--format", "{{.Action}}")
        return "start" in answer.text.split()

    @cached_property
    def _socket(self) -> str | None:
        return daemon.socket_of(self.env)

    def _get(self, question: str) -> Any:
        """What the engine's API answers, or None: then the CLI is to be asked, which has words for what went wrong."""
        status, found = self._api(question)
        return found if status == 200 else None

    def _api(self, question: str, method: str = "GET") -> tuple[int, Any]:
        return daemon.ask(self._socket, question, method) or (0, None)

    def _run(self, *argv: str) -> process.Completed:
        return process.run([self.program, *argv], env=self.env)

    def _ask(self, *argv: str) -> process.Completed:
        return docker_answers.good(self._run(*argv), f"asking the engine: docker {argv[0]}")


def _options(name: str, platform: str | None, labels: Mapping[str, str] | None, network: str | None) -> list[str]:
    options = ["--rm", "--init", "--pull", "never", "--name", name]
    options += ["--network", network] if network else []
    options += ["--platform", platform] if platform else []
    return options + [part for key, value in sorted((labels or {}).items()) for part in ("--label", f"{key}={value}")]


def _image(found: Mapping[str, Any]) -> LoadedImage:
    """Decode `docker image inspect` (Engine API 1.51, ImageInspect; `Descriptor` only with the containerd store)."""
    descriptor = found.get("Descriptor") or {}
    return LoadedImage(
        id=found["Id"],
        digest=Digest(descriptor["digest"]) if descriptor.get("digest") else None,
        tags=tuple(found.get("RepoTags") or ()),
        labels=(found.get("Config") or {}).get("Labels") or {},
        platform=platform_text(found["Os"], found["Architecture"], found.get("Variant") or ""),
        size=found["Size"],
        created=found.get("Created") or "",
    )
