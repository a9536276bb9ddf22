"""`docker build`, read back: what a command line asks for.

The options are those of `docker build --help` and `docker buildx build --help` (docker/cli 28.5, docker/buildx 0.33).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["BuildCommand", "build_command"]

_GLOBAL = (
    *("--builder", "--config", "--context", "-c", "--host", "-H", "--log-level", "-l"),
    *("--tlscacert", "--tlscert", "--tlskey"),
)
"""The options before a subcommand that take a value, of docker and of buildx."""
_SUBCOMMANDS = (("build",), ("buildx", "build"), ("buildx", "b"), ("image", "build"), ("builder", "build"))
_LETTERS = {"-f": "--file", "-t": "--tag", "-o": "--output", "-m": "--memory", "-c": "--cpu-shares"}
# fmt: off
_VALUED = frozenset({
    "--add-host", "--allow", "--annotation", "--attest", "--build-arg", "--build-context", "--builder",
    "--cache-from", "--cache-to", "--call", "--cgroup-parent", "--cpu-period", "--cpu-quota", "--cpu-shares",
    "--cpuset-cpus", "--cpuset-mems", "--file", "--iidfile", "--isolation", "--label", "--memory", "--memory-swap",
    "--metadata-file", "--network", "--no-cache-filter", "--output", "--platform", "--policy", "--progress",
    "--provenance", "--sbom", "--secret", "--security-opt", "--shm-size", "--ssh", "--tag", "--target", "--ulimit",
})
# fmt: on
"""The options that take a value in an argument of their own where none follows `=`."""


@dataclass(frozen=True)
class BuildCommand:
    """What a command line asks to be built. `file` is relative to the folder that the command ran in, as is `context`.

    `args` without a value are those of the environment, as the CLI takes them; `others` are options that say how, and
    not what: names alone.
    """

    context: str
    file: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    platforms: tuple[str, ...] = ()
    no_cache: bool = False
    contexts: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def build_command(argv: Sequence[str], environ: Mapping[str, str]) -> BuildCommand | None:
    """Read the arguments of `docker`; None where they are those of another command, or name no context."""
    rest = list(_without_globals(argv))
    if rest[:1] == ["buildx"]:  # which has options of its own before its subcommand
        rest = ["buildx", *_without_globals(rest[1:])]
    subcommand = next((one for one in _SUBCOMMANDS if tuple(rest[: len(one)]) == one), None)
    if subcommand is None:
        return None
    options, places = _parsed(rest[len(subcommand) :])
    if len(places) != 1:
        return None
    said: dict[str, list[str]] = {}
    for name, value in options:
        said.setdefault(name, []).append(value)
    read = {"--file", "--build-arg", "--target", "--platform", "--no-cache", "--build-context"}
    return BuildCommand(
        places[0],
        said.get("--file", [None])[-1],
        _args(said.get("--build-arg", []), environ),
        said.get("--target", [None])[-1] or None,
        tuple(one for value in said.get("--platform", []) for one in value.split(",")),
        said.get("--no-cache", ["false"])[-1] != "false",
        dict(value.partition("=")[::2] for value in said.get("--build-context", [])),
        tuple(dict.fromkeys(name for name in said if name not in read)),
    )


def _without_globals(argv: Sequence[str]) -> Iterator[str]:
    """The arguments from the subcommand on."""
    rest = iter(argv)
    for one in rest:
        if not one.startswith("-"):
            yield one
            yield from rest
        elif one in _GLOBAL:
            next(rest, None)


def _parsed(argv: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values ("true" for a flag), and what is none: letters stand for their words."""
    options: list[tuple[str, str]] = []
    places: list[str] = []
    rest = iter(argv)
    for one in rest:
        if one == "--":
            places += rest
        elif one.startswith("--"):
            name, equals, value = one.partition("=")
            options.append((name, value if equals else next(rest, "") if name in _VALUED else "true"))
        elif one.startswith("-") and one != "-":
            options += _letters(one, rest)
        else:
            places.append(one)
    return options, places


def _letters(word: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The options of `-qf FILE`, `-fFILE` or `-f=FILE`: letters, of which one that takes a value ends the word."""
    for at, letter in enumerate(word[1:], start=2):
        name = _LETTERS.get(f"-{letter}")
        if name is None:
            yield f"-{letter}", "true"
        else:
            value = word[at:]
            yield name, value.removeprefix("=") if value else next(rest, "")
            return


def _args(said: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for one in said:
        name, equals, value = one.partition("=")
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return found
