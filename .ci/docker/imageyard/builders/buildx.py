"""Builds through the `docker-buildx` plugin: finds it, runs it, reads along, and tells what became of it."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from imageyard import process
from imageyard.board import Board
from imageyard.builders.following import keeper, scrubber, secret_values, show
from imageyard.builders.outcome import judge, timed_out
from imageyard.builders.progress import Progress
from imageyard.builders.request import BuildRequest, Built, Outcome, Unreachable, argv
from imageyard.errors import EnvironmentLacks
from imageyard.files import atomic_write
from imageyard.names import Digest

__all__ = ["PLUGIN_FOLDERS", "build", "find", "kept_version", "version"]

INSTALL = "nox -s install_stack local_stack"

# docker/cli 28, cli-plugins/manager/manager_unix.go; Debian's own place is the last.
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)

_NO_GIT = {"BUILDX_GIT_INFO": "false"}
"""Where nothing is attested nobody reads of which commit it is, and buildx 0.29 runs git eight times to find out."""
_QUIET = {"BUILDX_METADATA_PROVENANCE": "disabled", "DOCKER_CLI_HINTS": "false"}
"""The provenance in the metadata file costs one more question to the engine, and nothing of ours reads it."""


def find() -> str:
    """The path of the plugin binary. The docker CLI in front of it would cost 0.1 s a call.

    Raises EnvironmentLacks where no CLI plugin directory has it.
    """
    config = Path(os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())
    folders: list[str | Path] = [config / "cli-plugins", *_extra_folders(config / "config.json"), *PLUGIN_FOLDERS]
    return process.find("docker-buildx", *folders, hint=INSTALL)


def version(program: str) -> str:
    """The version of the plugin, as it says it: `0.29.1`. Raises EnvironmentLacks where it does not run."""
    answer = process.run([program, "version"])
    words = answer.text.split()
    if answer.code or len(words) < 2:
        raise EnvironmentLacks(f"{program} does not run", detail=answer.complaint.splitlines()[:5], hint=INSTALL)
    return words[1].removeprefix("v")


def kept_version(program: str, kept: Path) -> str:
    """The same, from the file `kept` where it is still of the same binary: a Go program takes 50 ms to say it."""
    known = Path(program).stat()
    key = f"{program} {known.st_size} {known.st_mtime_ns}"
    with suppress(OSError, ValueError):
        before, found = json.loads(kept.read_bytes())
        if before == key:
            return str(found)
    found = version(program)
    atomic_write(kept, json.dumps([key, found]))
    return found


def build(
    request: BuildRequest,
    *,
    program: str,
    board: Board,
    raw: Path,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    connect_within: float | None = None,
    again: bool = False,
) -> Outcome:
    """Build what is asked, showing it on `board`; `env` says which engine, `timeout` is in seconds.

    `raw` receives the builder's whole stream, an object a line, without the values of the request's secrets. Beside
    it buildx gets a state directory of its own (BUILDX_CONFIG), unless `env` has one: a builder that the user selected
    with `buildx use` does not count. `connect_within` are the seconds after which the builder must have begun; with
    `again`, `raw` is added to.
    Raises EnvironmentLacks where the plugin cannot be started, KeyboardInterrupt or Terminated after it ended.
    """
    given, secrets = secret_values(request)
    with (
        tempfile.TemporaryDirectory(prefix="imageyard-buildx-", dir=raw.parent) as own,
        raw.open("a" if again else "w", encoding="utf-8") as file,
    ):
        if request.metadata_file is None:
            request = replace(request, metadata_file=Path(own, "metadata.json"))
        assert request.metadata_file is not None
        progress = Progress(scrubber(secrets), keeper(file))
        code: int | None = None
        begin_by = math.inf if connect_within is None else time.monotonic() + connect_within
        try:
            code = process.stream(
                argv(request, program=program),
                lambda chunk: show(progress.feed(chunk), board),
                env={
                    "BUILDX_CONFIG": str(Path(own, "config")),
                    **(env or {}),
                    **given,
                    **_QUIET,
                    **(_NO_GIT if request.provenance == "off" else {}),
                },
                timeout=timeout,
                overdue=lambda: not progress.started and time.monotonic() > begin_by,
            )
        except TimeoutError:
            pass
        finally:
            show(progress.end(), board)
        if code == 0:
            return _built(progress, request.metadata_file)
    if code is None and not progress.started:
        return Unreachable(progress.failure().message or "no answer")
    if code is None:
        return timed_out(progress, timeout)
    return judge(progress, code)


def _built(progress: Progress, metadata: Path) -> Built:
    """Read the metadata file (buildx `docs/reference/buildx_build.md`, --metadata-file).

    On the classic store `containerimage.digest` is the digest of the config and no descriptor is there (buildx 0.29).
    """
    try:
        found = json.loads(metadata.read_text())
    except (OSError, ValueError):
        found = {}
    digest = found.get("containerimage.digest")
    return Built(
        digest=Digest(digest) if digest and digest != found.get("containerimage.config.digest") else None,
        image_id=digest,
        steps=progress.steps,
        warnings=tuple(progress.warnings),
        cache_problems=progress.cache_problems,
    )


def _extra_folders(config: Path) -> list[str]:
    """`cliPluginsExtraDirs` of the CLI's configuration: where Homebrew's plugins are found."""
    try:
        found = json.loads(config.read_text()).get("cliPluginsExtraDirs")
    except (OSError, ValueError, AttributeError):
        return []
    return [folder for folder in found if isinstance(folder, str)] if isinstance(found, list) else []
