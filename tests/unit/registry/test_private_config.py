"""The private Docker folder: what it takes over from the user's, what it keeps to itself, and who can read it."""

from __future__ import annotations

import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.registry.credentials import Credential, DockerConfig
from imageyard.registry.private_config import PrivateConfig

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
OURS = Credential("AWS", "password")


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The user's folder."""
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def write(base: Path, content: object) -> None:
    (base / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))


def stored(folder: Path, base: Path) -> dict[str, Any]:
    PrivateConfig(folder, base).store(HOST, OURS)
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"proxies": {"default": {"httpProxy": "http://p"}}}, {"proxies": {"default": {"httpProxy": "http://p"}}}),
        (
            {"currentContext": "other", "HttpHeaders": {"X": "y"}},
            {"currentContext": "other", "HttpHeaders": {"X": "y"}},
        ),
        ({"credHelpers": {"gcr.io": "gcloud"}}, {"credHelpers": {"gcr.io": "gcloud"}}),
        ({"credHelpers": {HOST: "ecr-login"}}, {"credHelpers": {}}),
        ({"credHelpers": {f"https://{HOST}": "ecr-login"}}, {"credHelpers": {}}),
        ({"credsStore": "desktop"}, {"credsStore": "desktop", "credHelpers": {HOST: ""}}),
    ],
)
def test_settings_stay_but_for_helpers_of_the_host(tmp_path: Path, base: Path, before: object, after: object) -> None:
    write(base, before)
    assert stored(tmp_path / "own", base) == {"auths": {HOST: auth("AWS:password")}, **after}  # type: ignore[dict-item]


def test_credentials_for_other_hosts_stay(tmp_path: Path, base: Path) -> None:
    write(
        base, {"auths": {"quay.io": auth("me:secret"), HOST: auth("AWS:old"), f"https://{HOST}/v1/": auth("AWS:old")}}
    )
    found = stored(tmp_path / "own", base)
    assert found["auths"] == {"quay.io": auth("me:secret"), HOST: auth("AWS:password")}
    assert DockerConfig(tmp_path / "own").find("quay.io") == Credential("me", "secret")


def test_a_store_that_would_be_asked_first_is_not_asked_for_the_host(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-theirs"
    helper.write_text('#!/bin/sh\nread server\necho \'{"Username": "of", "Secret": "the-store"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    write(base, {"credsStore": "theirs"})

    stored(tmp_path / "own", base)

    found = DockerConfig(tmp_path / "own")
    assert found.find(HOST) == OURS
    assert found.find("quay.io") == Credential("of", "the-store")


def test_plugins_contexts_and_builders_are_found(tmp_path: Path, base: Path) -> None:
    for path in ("cli-plugins/docker-buildx", "contexts/meta/x/meta.json", "buildx/current"):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(path)
    stored(tmp_path / "own", base)
    for path in ("cli-plugins/docker-buildx", "contexts/meta/x/meta.json", "buildx/current"):
        assert (tmp_path / "own" / path).read_text() == path


def test_nothing_of_the_users_is_written(tmp_path: Path, base: Path) -> None:
    write(base, {"auths": {HOST: auth("AWS:old")}})
    before = (base / "config.json").read_bytes(), (base / "config.json").stat().st_mtime_ns
    stored(tmp_path / "own", base)
    assert ((base / "config.json").read_bytes(), (base / "config.json").stat().st_mtime_ns) == before
    assert not (tmp_path / "own" / "config.json").is_symlink()


def test_its_own_folder_is_gone_on_with(tmp_path: Path, base: Path) -> None:
    (base / "cli-plugins").mkdir()
    own = tmp_path / "own"
    stored(own, base)
    PrivateConfig(own, own).store("ghcr.io", Credential("me", "token"))
    found = json.loads((own / "config.json").read_text())
    assert set(found["auths"]) == {HOST, "ghcr.io"}
    assert (own / "cli-plugins").is_dir()


def test_a_new_one_starts_as_the_users_again(tmp_path: Path, base: Path) -> None:
    """Old credentials, and links to what the user has removed since, are gone; until it is written, the old file is."""
    (base / "cli-plugins").mkdir()
    own = tmp_path / "own"
    before = stored(own, base)
    (base / "cli-plugins").rmdir()
    config = PrivateConfig(own, base)
    assert json.loads((own / "config.json").read_text()) == before
    config.write()
    assert json.loads((own / "config.json").read_text()) == {}
    assert [entry.name for entry in own.iterdir()] == ["config.json"]


def test_logins_at_the_same_time(tmp_path: Path, base: Path) -> None:
    """Of two terminals: each finds a whole file, with what one of them got."""
    for name in "abcdef":
        (base / name).write_text("")
    own = tmp_path / "own"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: stored(own, base), range(40)))
    assert all(one == found[0] for one in found)
    assert {entry.name for entry in own.iterdir()} == {*"abcdef", "config.json"}


def test_without_credentials(tmp_path: Path, base: Path) -> None:
    write(
        base, {"auths": {"quay.io": auth("a:b")}, "credsStore": "x", "credHelpers": {"gcr.io": "y"}, "detachKeys": "z"}
    )
    PrivateConfig(tmp_path / "own", base, credentials=False).write()
    assert json.loads((tmp_path / "own" / "config.json").read_text()) == {"detachKeys": "z"}


NAMES = st.sampled_from([HOST, f"https://{HOST}", f"https://{HOST}/v1/", "quay.io", "https://index.docker.io/v1/"])
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "auths": st.dictionaries(NAMES, st.just(auth("me:old"))),
        "credHelpers": st.dictionaries(NAMES, st.sampled_from(["ecr-login", "gcloud"])),
        "credsStore": st.sampled_from(["desktop", ""]),
        "proxies": st.dictionaries(st.text(), st.text()),
    },
)


@given(CONFIGS)
def test_whatever_was_there_ours_is_found_and_the_rest_stays(
    tmp_path_factory: pytest.TempPathFactory, had: Any
) -> None:
    folder = tmp_path_factory.mktemp("random")
    write(folder, had)
    found = stored(folder / "own", folder)
    assert DockerConfig(folder / "own").find(HOST) == OURS
    others = {key: value for key, value in had.items() if key not in ("auths", "credHelpers")}
    assert {key: value for key, value in found.items() if key not in ("auths", "credHelpers")} == others
    for key in ("auths", "credHelpers"):
        kept = {name: value for name, value in had.get(key, {}).items() if HOST not in name}
        assert {name: value for name, value in found.get(key, {}).items() if HOST not in name} == kept


@pytest.mark.parametrize("there", [False, True], ids=["new", "there and open to all"])
def test_modes(tmp_path: Path, base: Path, there: bool) -> None:
    own = tmp_path / "own"
    if there:
        own.mkdir()
        own.chmod(0o777)
    write(base, {})
    (base / "config.json").chmod(0o644)
    mask = os.umask(0)
    try:
        stored(own, base)
        PrivateConfig(own, own).keep("other", "text")
    finally:
        os.umask(mask)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (own, own / "config.json", own / "other")]
    assert modes == [0o700, 0o600, 0o600]


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, base: Path) -> None:
    """In a folder that others write too, it may lead anywhere."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "own").symlink_to(tmp_path / "theirs")
    with pytest.raises(EnvironmentLacks, match="is not a folder of this user"):
        PrivateConfig(tmp_path / "own", base)
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a JSON object"),
        ({"auths": []}, ""),
        ({"auths": [1]}, "`auths` is not an object"),
        ({"credHelpers": "x"}, "`credHelpers` is not an object"),
    ],
)
def test_a_broken_file_of_the_user(tmp_path: Path, base: Path, content: object, words: str) -> None:
    write(base, content)
    if not words:
        assert stored(tmp_path / "own", base)["auths"] == {HOST: auth("AWS:password")}
        return
    with pytest.raises(ConfigurationError, match=words):
        stored(tmp_path / "own", base)


def test_a_folder_that_cannot_be_made(tmp_path: Path, base: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentLacks, match="file"):
        PrivateConfig(tmp_path / "file" / "own", base)
