"""What is asked of a builder, as the argument list of `docker buildx build`, and what can come of it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from imageyard.catalogue.model import Provenance
from imageyard.names import Digest, Reference

if TYPE_CHECKING:
    from imageyard.engine import ImageStore

__all__ = [
    "BuildInterrupted",
    "BuildRequest",
    "BuildWarning",
    "Built",
    "Failed",
    "Lost",
    "Outcome",
    "Phase",
    "RegistryFailed",
    "SecretSource",
    "Steps",
    "Unreachable",
    "argv",
    "attestations",
    "beyond",
    "by_digest",
    "content",
    "csv_line",
    "loadable",
]

SecretSource: TypeAlias = tuple[str, Literal["env", "file"], str]
"""A secret's id, and the name of the variable or the path of the file that holds its value."""


@dataclass(frozen=True)
class BuildRequest:
    """One build of one platform, from the folder `context` by a `dockerfile` outside of it.

    `contexts` binds names that the Dockerfile pulls from to
    `docker-image://REFERENCE` or to a directory. With `push-by-digest` the first of `tags` names the repository, and no
    tag is given there; with `archive` the image goes to that file, to be loaded. `reproducible` has times rewritten to
    SOURCE_DATE_EPOCH, which is one of `args`; with `load` the builder cannot. No step of another `epoch` is taken from
    a cache.
    """

    context: Path
    dockerfile: Path
    platform: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretSource, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[Reference, ...] = ()
    output: Literal["load", "push", "push-by-digest", "archive", "nothing"] = "load"
    archive: Path | None = None
    reproducible: bool = False
    epoch: str = ""
    no_cache: bool = False
    pull: bool = False
    provenance: Provenance = "off"
    sbom: bool = False
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    builder: str | None = None
    extra: tuple[str, ...] = ()  # what a person passed through; comes last, so that it wins
    metadata_file: Path | None = None


@dataclass(frozen=True)
class Steps:
    """Steps of the Dockerfile that leave something in the image (RUN, COPY, ADD, WORKDIR): all, and those cached."""

    total: int = 0
    cached: int = 0


@dataclass(frozen=True)
class BuildWarning:
    """What BuildKit remarks about a Dockerfile; `line` counts from 1."""

    text: str
    dockerfile: str | None = None
    line: int | None = None


Phase: TypeAlias = Literal["resolve", "run", "export", "cache", "other"]
"""What a step of BuildKit is for: to find and fetch what the Dockerfile pulls from, to make a layer, to hand the image
over, to read or write the layer cache."""


@dataclass(frozen=True)
class Built:
    """It was built and exported.

    `digest` is that of the manifest or index, None where the engine's classic store keeps none; `image_id` is the
    engine's id of it, None where nothing was exported. `cache_problems` are layer caches that could not be read or
    written, with the reason; one that is not there yet is none.
    """

    digest: Digest | None
    image_id: str | None
    steps: Steps = Steps()
    warnings: tuple[BuildWarning, ...] = ()
    cache_problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A step failed, or the Dockerfile or the request was refused.

    `step` is as BuildKit words it, `dockerfile` and `line` where it stands, `exit_code` that of its command, `lines`
    the last it wrote, `message` why in one or a few lines, `hint` what may help. `phase` says what the step did.
    """

    step: str
    dockerfile: str | None = None
    line: int | None = None
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    steps: Steps = Steps()
    warnings: tuple[BuildWarning, ...] = ()
    phase: Phase = "run"


@dataclass(frozen=True)
class BuildTimedOut(Failed):
    """The build did not end within the time that it was given; `step` is where it stood."""


@dataclass(frozen=True)
class RegistryFailed:
    """A registry was at fault, not a step: it could not be asked for a base, or did not take the image or the cache.

    `denied` where it refused the credentials, else it may answer another time, after `retry_after` seconds if it said
    so. `ran` names the RUN steps whose command was run for it, `cut_off` says that not all of them came to their end.
    """

    phase: Phase
    cause: str
    denied: bool = False
    retry_after: float | None = None
    ran: tuple[str, ...] = ()
    cut_off: bool = False
    steps: Steps = Steps()


@dataclass(frozen=True)
class Unreachable:
    """The builder could not be reached: nothing of the build has started."""

    cause: str


@dataclass(frozen=True)
class Lost:
    """The builder went away in the middle of the build."""

    cause: str


@dataclass(frozen=True)
class BuildInterrupted:
    """The build was stopped from elsewhere. Where it was us who were interrupted, that exception comes instead."""


Outcome: TypeAlias = Built | Failed | RegistryFailed | Unreachable | Lost | BuildInterrupted


def argv(request: BuildRequest, *, program: str) -> list[str]:
    """The argument list; `program` is the plugin binary, which takes them without `buildx` in front.

    No secret's value is in it: `--secret id=ID,env=NAME` (buildx `docs/reference/buildx_build.md`).
    """
    args = [program, "build", "--progress=rawjson", "-f", str(request.dockerfile), "--platform", request.platform]
    args += _flag("--builder", request.builder)
    args += content(request)
    args += _each("--tag", map(str, () if request.output == "push-by-digest" else request.tags))
    args += [*_output(request), *attestations(request)]
    args += _flag("--metadata-file", request.metadata_file)
    return [*args, *request.extra, str(request.context)]


def content(request: BuildRequest) -> list[str]:
    """The flags that say what is built, and with which caches."""
    args = _flag("--target", request.target)
    args += _each("--build-arg", (f"{name}={value}" for name, value in sorted(request.args.items())))
    args += _each("--build-context", (f"{name}={source}" for name, source in sorted(request.contexts.items())))
    args += _each("--secret", (_secret(*secret) for secret in request.secrets))
    args += _each("--label", (f"{name}={value}" for name, value in sorted(request.labels.items())))
    args += _each("--add-host", _epoch_host(request.epoch))
    args += _each("--cache-from", request.cache_from)
    args += _each("--cache-to", request.cache_to)
    args += ["--no-cache"] if request.no_cache else []
    return args + (["--pull"] if request.pull else [])


def _epoch_host(epoch: str) -> list[str]:
    """The host of an epoch, which no name server has (RFC 6761, `.invalid`): while RUN runs it is in `/etc/hosts`.

    The names of such hosts are part of the key under which a RUN step is cached, and they leave nothing in the image
    (moby/buildkit 0.25, solver/llbsolver/ops/exec.go, `CacheMap`). So a new epoch runs each command again, in every
    builder and past every cache, and a build that is repeated within an epoch takes its steps from the cache.
    """
    return [f"epoch-{hashlib.sha256(epoch.encode()).hexdigest()[:16]}.invalid:127.0.0.1"] if epoch else []


def attestations(request: BuildRequest) -> list[str]:
    """The flags that say what is attested; provenance always, because its default differs between builders."""
    provenance = "false" if request.provenance == "off" else f"mode={request.provenance}"
    return [f"--provenance={provenance}", *(["--sbom=true"] if request.sbom else [])]


def loadable(request: BuildRequest, store: ImageStore) -> tuple[BuildRequest, tuple[str, ...]]:
    """What of a request the engine's image store can hold, and in words what was left out of it.

    The classic store refuses attestations (`Attestation is not supported for the docker driver`) and takes
    `rewrite-timestamp` without doing it (tried: engine 26.1 with buildx 0.13, 28.5 with 0.29).
    """
    left_out = beyond(store, request.provenance, sbom=request.sbom, reproducible=request.reproducible)
    if not left_out:
        return request, ()
    return replace(request, provenance="off", sbom=False, reproducible=False), left_out


def beyond(store: ImageStore, provenance: Provenance, *, sbom: bool, reproducible: bool) -> tuple[str, ...]:
    """What of an image's declaration an engine's image store cannot hold, in words."""
    declared = {
        f"provenance ({provenance})": provenance != "off",
        "the bill of materials": sbom,
        "rewritten times": reproducible,
    }
    return () if store == "containerd" else tuple(words for words, asked in declared.items() if asked)


def _flag(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _each(name: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (name, value)]


def _output(request: BuildRequest) -> list[str]:
    """Where the image goes.

    `oci-mediatypes` is always said, so that the digest does not hang on the default of a builder's version. The
    types of an OCI archive are the same, and so is its manifest.
    """
    if request.output == "archive":
        return ["--output", csv_line(["type=oci", f"dest={request.archive}", *_rewriting(request)])]
    if request.output == "nothing":
        return ["--output", "type=cacheonly"]
    if request.output != "push-by-digest":
        return [f"--{request.output}"]
    return ["--output", by_digest(request, request.tags[0].name)]


def by_digest(request: BuildRequest, name: str) -> str:
    """The value of `--output` that pushes an image to `name` by digest.

    The worker keeps no image of its own: two builds at once that name the same one refuse each other (`already
    exists`, moby 28), and nobody would ever take them away.
    """
    fields = ["type=image", f"name={name}", "push=true", "push-by-digest=true", "store=false", "oci-mediatypes=true"]
    return csv_line([*fields, *_rewriting(request)])


def _rewriting(request: BuildRequest) -> list[str]:
    """The field of `--output` that has times of a request rewritten: later ones than SOURCE_DATE_EPOCH become it."""
    return ["rewrite-timestamp=true"] if request.reproducible else []


def _secret(name: str, kind: Literal["env", "file"], value: str) -> str:
    return csv_line([f"id={name}", f"{'env' if kind == 'env' else 'src'}={value}"])


def csv_line(fields: Iterable[str]) -> str:
    """One line of CSV, as buildx reads it: a path may hold a comma."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
