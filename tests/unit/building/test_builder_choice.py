"""Who builds, and where what they build may go: tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imageyard.building.builder_choice import choose, chosen, from_environment, remote
from imageyard.building.table import BUILDERS
from imageyard.catalogue.builder_sections import BUILDER_SECTIONS, DepotSettings, RemoteByTrust, RemoteSettings
from imageyard.catalogue.expand import load
from imageyard.catalogue.model import BuilderSettings, Catalogue
from imageyard.errors import ConfigurationError, PolicyRefused
from imageyard.plan.trust import LOCAL, Decision, Repository
from imageyard.project.options import BuilderName, BuildOptions, as_builder, as_repository
from imageyard.publishing.destination import place

POOL = "tcp://pool.example:1234"
ONE = "tcp://one.example:8372"
NONE = BuilderSettings()
IMAGE = "axes: {plain: {linux}}\nimages: {all: {dockerfile: Dockerfile, names: {linux: }}}\n"
BOTH = BuilderSettings(
    {"remote": RemoteSettings({"amd64": POOL}, insecure=True), "depot": DepotSettings(trusted="project")}
)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (None, False), ("", False), ("0", False), ("false", False), ("False", False), ("FALSE", False), (" 0 ", False),
        ("1", True), ("true", True), ("True", True), ("TRUE", True),
        (POOL, POOL), ("unix:///run/buildkit.sock", "unix:///run/buildkit.sock"),
    ],
)  # fmt: skip
def test_what_the_variable_says(value: str | None, meant: bool | str) -> None:
    assert from_environment(value) == meant


@pytest.mark.parametrize("value", ["yes", "no", "off", "2", "pool.example:1234", "tcp://", "http://pool.example:1"])
def test_what_is_neither_a_switch_nor_an_address(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(value)
    assert caught.value.headline == f"REMOTE_BUILDKIT: '{value}' is not the address of a builder"
    assert caught.value.hint == ("write it as tcp://HOST:PORT, or as a switch: 0, false, 1, true",)


@pytest.mark.parametrize(
    ("asked", "address", "variable", "builders", "in_ci", "expected"),
    [
        # nothing is said
        (None, None, None, NONE, False, ("local", None)),
        (None, None, None, BOTH, False, ("local", None)),
        (None, None, None, NONE, True, ("local", None)),
        (None, None, None, BOTH, True, ("depot", None)),
        (None, None, "0", BOTH, True, ("depot", None)),
        # the variable
        (None, None, "1", BOTH, False, ("remote", None)),
        (None, None, "true", BOTH, True, ("remote", None)),
        (None, None, ONE, NONE, False, ("remote", ONE)),
        # what was typed wins
        ("local", None, "1", BOTH, True, ("local", None)),
        ("local", None, "yes", BOTH, True, ("local", None)),
        ("depot", None, "1", BOTH, False, ("depot", None)),
        ("remote", None, "0", BOTH, True, ("remote", None)),
        ("remote", None, None, BOTH, False, ("remote", None)),
        ("remote", None, ONE, BOTH, False, ("remote", ONE)),
        ("remote", ONE, "0", BOTH, False, ("remote", ONE)),
        (None, ONE, POOL, BOTH, True, ("remote", ONE)),
    ],
)
def test_who_builds(
    asked: BuilderName | None,
    address: str | None,
    variable: str | None,
    builders: BuilderSettings,
    in_ci: bool,
    expected: tuple[str, str | None],
) -> None:
    found = choose(asked, address, variable, builders, in_ci=in_ci)
    assert (found.builder, found.address) == expected


@pytest.mark.parametrize("asked", ["local", "depot"])
def test_an_address_is_for_a_remote_worker(asked: BuilderName) -> None:
    with pytest.raises(ConfigurationError, match=f"--address names a remote worker, and --builder is {asked}"):
        choose(asked, ONE, None, BOTH, in_ci=False)


def test_words_with_a_typing_mistake() -> None:
    with pytest.raises(ConfigurationError) as caught:
        as_builder("remot")
    assert caught.value.hint == ("did you mean 'remote'?",)
    with pytest.raises(ConfigurationError) as caught:
        as_repository("engine")
    assert caught.value.hint == ("known: trusted, branch",)
    assert (as_builder(None), as_builder("depot"), as_repository(None), as_repository("branch")) == (
        None, "depot", None, "branch",
    )  # fmt: skip


def catalogue(builders: BuilderSettings) -> Catalogue:
    return Catalogue("images.yml", ".", "", None, (), "content", builders, (), {}, {}, ())


def test_the_address_for_an_architecture() -> None:
    pool = choose("remote", None, None, BOTH, in_ci=False)
    assert remote(pool, catalogue(BOTH), "amd64") == (POOL, BOTH.of(RemoteSettings))
    one = choose("remote", ONE, None, BOTH, in_ci=False)
    assert [remote(one, catalogue(BOTH), arch)[0] for arch in ("amd64", "arm64")] == [ONE, ONE]  # type: ignore[arg-type]


def test_how_a_worker_is_spoken_to_that_only_the_call_names(tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    file.write_text(f"builders: {{remote: {{insecure: yes}}}}\n{IMAGE}")
    read = load(file, tmp_path)
    assert remote(choose(None, ONE, None, read.builders, in_ci=False), read, "arm64") == (ONE, RemoteSettings({}, True))


@pytest.mark.parametrize("builders", [NONE, BOTH])
def test_an_architecture_without_an_address(builders: BuilderSettings) -> None:
    with pytest.raises(ConfigurationError) as caught:
        remote(choose("remote", None, None, builders, in_ci=False), catalogue(builders), "arm64")
    assert str(caught.value).splitlines() == [
        "error: images.yml: builders.remote has no address for arm64",
        "  while: choosing the builder (--builder remote)",
        "  next: add to the catalogue: builders: {remote: {arm64: tcp://HOST:PORT}}",
        "  next: or for this call: --address tcp://HOST:PORT    (or REMOTE_BUILDKIT=tcp://HOST:PORT)",
    ]


BY_TRUST = BuilderSettings({"remote": RemoteByTrust(RemoteSettings({"amd64": POOL}), RemoteSettings({"amd64": ONE}))})
ONLY_TRUSTED = BuilderSettings({"remote": RemoteByTrust(RemoteSettings({"amd64": POOL}))})
TRUSTED = Decision("trusted", "push", "main is protected", push="trusted", reads=("trusted",))
BRANCH = Decision("branch", "pull_request", "a pull request", push="branch", reads=("trusted", "branch"))
FORK = Decision("fork", "pull_request", "from a fork")


@pytest.mark.parametrize(
    ("decision", "at", "address"),
    [
        (TRUSTED, None, POOL),
        (TRUSTED, "trusted", POOL),
        (TRUSTED, "branch", ONE),
        (BRANCH, None, ONE),
        (LOCAL, None, ONE),
        (LOCAL, "trusted", POOL),
    ],
)
def test_what_is_published_as_trusted_is_built_on_trusted_workers(
    decision: Decision, at: Repository | None, address: str
) -> None:
    options = BuildOptions(decision=decision, at=at, builder="remote")
    assert remote(chosen(catalogue(BY_TRUST), options, {}), catalogue(BY_TRUST), "amd64")[0] == address
    assert remote(chosen(catalogue(BOTH), options, {}), catalogue(BOTH), "amd64")[0] == POOL


def test_a_trust_without_workers() -> None:
    """An address that the call names is the caller's word, and no worker of another trust stands in."""
    options = BuildOptions(decision=BRANCH, builder="remote")
    with pytest.raises(ConfigurationError) as caught:
        remote(chosen(catalogue(ONLY_TRUSTED), options, {}), catalogue(ONLY_TRUSTED), "amd64")
    assert str(caught.value).splitlines() == [
        "error: images.yml: builders.remote.branch has no address for amd64",
        "  while: choosing the builder (--builder remote)",
        "  next: add to the catalogue: builders: {remote: {branch: {amd64: tcp://HOST:PORT}}}",
        "  next: or for this call: --address tcp://HOST:PORT    (or REMOTE_BUILDKIT=tcp://HOST:PORT)",
    ]
    told = chosen(catalogue(ONLY_TRUSTED), replace(options, address=ONE), {})
    assert remote(told, catalogue(ONLY_TRUSTED), "amd64") == (ONE, RemoteSettings({}))


@pytest.mark.parametrize(
    ("decision", "projects", "builder"),
    [
        (LOCAL, {"trusted": "p1", "branch": "p2"}, "local"),
        (TRUSTED, {"trusted": "p1", "branch": "p2"}, "depot"),
        (BRANCH, {"trusted": "p1", "branch": "p2"}, "depot"),
        (BRANCH, {"trusted": "p1"}, "local"),
        (TRUSTED, {"branch": "p2"}, "local"),
        (FORK, {"trusted": "p1", "branch": "p2"}, "local"),
    ],
)
def test_depot_by_itself_builds_what_is_published_where_it_has_a_project(
    decision: Decision, projects: dict[str, str], builder: str
) -> None:
    found: Any = catalogue(BuilderSettings({"depot": DepotSettings(**projects)}))
    assert chosen(found, BuildOptions(decision=decision), {}).builder == builder
    assert chosen(found, BuildOptions(decision=decision, builder="depot"), {}).builder == "depot"


@pytest.mark.parametrize(
    ("decision", "asked", "expected"),
    [
        (LOCAL, None, ("branch", ("branch",))),
        (LOCAL, "branch", ("branch", ("branch",))),
        (LOCAL, "trusted", ("trusted", ("trusted",))),
        (TRUSTED, None, ("trusted", ("trusted",))),
        (TRUSTED, "trusted", ("trusted", ("trusted",))),
        (TRUSTED, "branch", ("branch", ("branch",))),
        (BRANCH, None, ("branch", ("trusted", "branch"))),
        (BRANCH, "branch", ("branch", ("trusted", "branch"))),
        (replace(BRANCH, reads=()), None, ("branch", ("branch",))),
    ],
)
def test_where_it_goes(decision: Decision, asked: Repository | None, expected: Any) -> None:
    assert place(decision, asked) == expected


@pytest.mark.parametrize(
    ("decision", "asked", "words"),
    [
        (BRANCH, "trusted", "a run at branch trust does not publish at trusted: a pull request"),
        (FORK, None, "a run at fork trust publishes nothing: from a fork"),
        (FORK, "branch", "a run at fork trust publishes nothing: from a fork"),
        (FORK, "trusted", "a run at fork trust publishes nothing: from a fork"),
        (replace(TRUSTED, push=None), None, "a run at trusted trust publishes nothing: main is protected"),
    ],
)
def test_where_it_must_not_go(decision: Decision, asked: Repository | None, words: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        place(decision, asked)
    assert caught.value.headline == words
    assert caught.value.hint


@pytest.mark.parametrize("name", ["local", *BUILDER_SECTIONS])
def test_the_builder_that_is_typed_builds_and_each_has_a_line_in_the_table(name: str) -> None:
    assert choose(name, None, None, BOTH, in_ci=True).builder == name
    assert name in BUILDERS
    assert set(BUILDERS) == {"local", *BUILDER_SECTIONS}
