"""What keeps a registry from letting go of a cache, in words and as an exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard.catalogue import expand
from imageyard.catalogue.model import Catalogue
from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, NotFound, Transient
from imageyard.keep.cache_clean import CacheCleanRequest, clean
from imageyard.names import Digest, Reference
from imageyard.registry.client import Client
from support.services import services

TAGS = ("linux-a-amd64-pr-1", "linux-a-arm64-pr-1")


class Scripted(Client):
    """A registry with two caches that answers deletions as it is told; `moved` are written again meanwhile."""

    def __init__(self, answer: Callable[[], None], moved: tuple[str, ...] = ()) -> None:
        super().__init__(credentials=lambda host: None)
        self.answer = answer
        self.moved = moved
        self.asked: list[str] = []
        self.deleted: list[Reference] = []

    def tags(self, repository: Reference) -> tuple[str, ...]:
        return TAGS

    def head(self, reference: Reference, *actions: str) -> tuple[Digest, str]:
        tag = reference.tag or ""
        self.asked.append(tag)
        again = tag in self.moved and self.asked.count(tag) > 1
        return Digest(f"sha256:{TAGS.index(tag) + (8 if again else 0):064x}"), ""

    def delete(self, reference: Reference) -> None:
        self.deleted.append(reference)
        self.answer()


def failing(error: ImageyardError) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


def catalogue(tmp_path: Path, host: str) -> Catalogue:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    file = tmp_path / "images.yml"
    file.write_text(
        f"cache: {{branch: {host}/ci/cache}}\naxes: {{plain: {{linux, a}}}}\n"
        "images: {a: {dockerfile: Dockerfile, arches: [amd64], names: {linux-a: }}}\n"
    )
    return expand.load(file, tmp_path)


@pytest.mark.parametrize(
    ("host", "error", "kind", "said", "tries"),
    [
        ("ghcr.io", EnvironmentLacks("not allowed (HTTP 405)"), EnvironmentLacks, "GitHub deletes versions", 1),
        ("registry.example.org", EnvironmentLacks("not allowed"), EnvironmentLacks, "may be switched off there", 1),
        ("registry.example.org", Denied("refused us"), Denied, "refused us", 1),
        ("registry.example.org", Transient("HTTP 503"), Transient, "run it again", 2),
    ],
)
def test_what_could_not_be_removed(
    tmp_path: Path, host: str, error: ImageyardError, kind: type[ImageyardError], said: str, tries: int
) -> None:
    client = Scripted(failing(error))
    with pytest.raises(kind) as raised:
        clean(catalogue(tmp_path, host), services(client), CacheCleanRequest(pull=1), yes=True, as_json=False)
    assert raised.value.headline == "2 of 2 caches could not be removed"
    assert said in str(raised.value)
    assert len(client.deleted) == tries, "a registry that deletes nothing is asked once"


def test_what_is_gone_already_is_no_failure(tmp_path: Path) -> None:
    client = Scripted(failing(NotFound("not there")))
    clean(
        catalogue(tmp_path, "registry.example.org"),
        services(client),
        CacheCleanRequest(pull=1),
        yes=True,
        as_json=False,
    )
    assert len(client.deleted) == 2


def test_what_was_written_again_meanwhile_stays(tmp_path: Path) -> None:
    client = Scripted(lambda: None, moved=TAGS[:1])
    with pytest.raises(Transient, match="1 of 2") as raised:
        clean(
            catalogue(tmp_path, "registry.example.org"),
            services(client),
            CacheCleanRequest(pull=1),
            yes=True,
            as_json=False,
        )
    assert f"{TAGS[0]}: it was written again meanwhile" in str(raised.value)
    assert [one.digest for one in client.deleted] == [f"sha256:{1:064x}"]
