"""Builds at Depot through its own CLI: finds it, runs it, reads along, and tells what became of it."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from imageyard import process
from imageyard.board import Board
from imageyard.builders.depot_request import LOGINS, PASSED, argv, login
from imageyard.builders.following import keeper, scrubber, secret_values, show
from imageyard.builders.outcome import judge, timed_out
from imageyard.builders.plain import Plain
from imageyard.builders.progress import Progress
from imageyard.builders.request import BuildInterrupted, BuildRequest, Built, Failed, Lost, Outcome, Unreachable
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, Transient
from imageyard.names import Digest

__all__ = ["LOOKED_FOR", "Refused", "build", "find", "version"]

INSTALL = (
    "brew install depot/tap/depot    (macOS)",
    "curl -fsSL https://depot.dev/install-cli.sh | sh    (Linux; it goes to ~/.depot/bin)",
    "uses: depot/setup-action    (a step of a workflow)",
)

_DOTS = ", then ".join(("DEPOT_TOKEN", "what `depot login` wrote", *(place for place, _ in LOGINS[1:])))
LOOKED_FOR = f"a token is looked for in this order: {_DOTS}"

_OURS = {"DEPOT_DISABLE_OTEL": "1", "DEPOT_NO_UPDATE_NOTIFIER": "1", "DEPOT_ERROR_TELEMETRY": "0"}
PATIENCE = 10.0
"""Seconds for a connection to Depot's API."""
_BEGINS_WITHIN = 600.0
"""Seconds in which Depot must have created a build."""

_MACHINE = re.compile(r"\[depot\] (launching|connecting to) ")
_LINE = re.compile(r"parse error on line (\d+)")

# The codes of connectrpc.com/docs/protocol, as the CLI prints them in front of Depot's words.
_LOGIN = re.compile(r"(unauthenticated|permission_denied): |missing API token")
_AWAY = re.compile(
    r"(unavailable|unknown|deadline_exceeded): .*(\bdial |lookup |no such host|connection refused|no route to host"
    r"|network is unreachable|tls: |x509: |proxyconnect |TLS handshake timeout)"
)
_PROJECT = re.compile(r"missing project ID|error retrieving projects|no projects found|(not_found|invalid_argument): ")
_CANCELED = "build canceled"  # by Depot, whose page has a button for it


@dataclass(frozen=True)
class Refused(Unreachable):
    """Depot refused the login: no build was created."""


def find() -> str:
    """The path of the CLI. Raises EnvironmentLacks, with how to install it, where it is neither on PATH nor at home."""
    try:
        return process.find("depot", Path("~/.depot/bin").expanduser())
    except EnvironmentLacks as error:
        raise EnvironmentLacks(
            "the Depot CLI is not installed", detail=[error.headline], doing="building at Depot", hint=INSTALL
        ) from None


def version(program: str) -> str:
    """The version of the CLI, as it says it: `2.102.12`. Raises EnvironmentLacks where it does not run."""
    answer = process.run([program, "--version"], env=_OURS)
    if answer.code or not (found := re.search(r"\d+(\.\d+)+", answer.text)):
        raise EnvironmentLacks(f"{program} does not run", detail=answer.complaint.splitlines()[:5], hint=INSTALL)
    return found[0]


def build(
    request: BuildRequest,
    *,
    program: str,
    project: str,
    board: Board,
    raw: Path,
    timeout: float | None = None,
) -> Outcome:
    """Build what is asked on Depot's machine of each platform, and push it by digest.

    The token is the CLI's to find. `raw` receives the stream as BuildKit's `rawjson`, without the values of secrets
    and tokens. Nothing is run twice: once a build was created, whoever started it pays for it. Unreachable is only
    said of a build that was not created: Refused where that was the login's fault.
    Raises ConfigurationError for a project that Depot does not know, Transient where Depot will not now, and
    EnvironmentLacks where the CLI cannot be started.
    """
    if why := _silent(os.environ):
        return Unreachable(why)
    given, secrets = secret_values(request)
    passed = {name: os.environ[name] for name in PASSED if os.environ.get(name)}
    tokens = [value for name, value in passed.items() if "TOKEN" in name]
    with (
        tempfile.TemporaryDirectory(prefix="imageyard-depot-", dir=raw.parent) as own,
        raw.open("w", encoding="utf-8") as file,
    ):
        metadata = Path(own, "metadata.json")
        plain, progress = Plain(), Progress(scrubber([*secrets, *tokens]), keeper(file))
        request = replace(request, metadata_file=metadata)
        code: int | None = None
        begin_by = time.monotonic() + _BEGINS_WITHIN
        try:
            code = process.stream(
                argv(request, program=program, project=project),
                lambda chunk: show(progress.feed(plain.feed(chunk)), board),
                env={"BUILDX_CONFIG": str(Path(own, "config")), **passed, **given, **_OURS},
                timeout=timeout,
                overdue=lambda: plain.build is None and time.monotonic() > begin_by,
            )
        except TimeoutError:
            pass
        finally:
            show([*progress.feed(plain.end()), *progress.end()], board)
        if code == 0:
            return _built(progress, metadata)
    if code is None and plain.build is None:
        raise _not_now("it said nothing for so long that the CLI was stopped")
    if code is None:
        return timed_out(progress, timeout)
    return _after(progress, code) if plain.build else _before(progress.failure().message, code)


def _silent(environ: Mapping[str, str]) -> str | None:
    """Why Depot's API answers nobody: where nothing comes back, the CLI dials for ever (pkg/api/dialer.go).

    Behind a proxy nobody but the CLI may dial; whatever else is wrong it says itself.
    """
    if any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return None
    url = urlsplit(environ.get("DEPOT_API_URL") or "https://api.depot.dev")
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        with socket.create_connection((url.hostname, port), PATIENCE):
            return None
    except TimeoutError:
        return f"{url.netloc} did not answer within {PATIENCE:.0f} s"
    except (OSError, ValueError):
        return None


def _before(cause: str, code: int) -> Outcome:
    """What came of it where no build was created."""
    if code < 0 or code == 130 or cause.startswith("canceled: "):
        return BuildInterrupted()
    if _LOGIN.match(cause):
        place = login(os.environ)
        return Refused(f"{cause} ({f'the token of {place}' if place else LOOKED_FOR})")
    if _AWAY.match(cause):
        return Unreachable(cause)
    raise _not_now(cause)


def _not_now(cause: str) -> ImageyardError:
    if _PROJECT.match(cause):
        return ConfigurationError(
            f"Depot does not build for this project: {cause}",
            doing="creating a build at Depot",
            hint="depot list projects    (the ids that builders.depot may name)",
        )
    return Transient(f"Depot did not create a build: {cause}", doing="creating a build at Depot", hint="run it again")


def _after(progress: Progress, code: int) -> Outcome:
    """What came of a build that was created. A step that says it failed decides, whatever words it used."""
    failure = progress.failure()
    if _MACHINE.match(failure.step):
        return Lost(f"{failure.step.removeprefix('[depot] ')}: {failure.message}")
    if not failure.by_step and _CANCELED in failure.message:
        return BuildInterrupted()
    match judge(progress, code):
        case Unreachable(cause=cause):  # a build is there, and somebody paid for it
            return Lost(cause)
        case Failed(line=None) as unplaced if line := _LINE.search(failure.message):
            return replace(unplaced, line=int(line[1]))
        case found:
            return found


def _built(progress: Progress, metadata: Path) -> Built:
    """Read the metadata file: of several platforms, `containerimage.digest` is the index's (depot/cli 2.102)."""
    try:
        digest = json.loads(metadata.read_text()).get("containerimage.digest")
    except (OSError, ValueError, AttributeError):
        digest = None
    return Built(Digest(digest) if digest else None, digest, progress.steps, tuple(progress.warnings))
