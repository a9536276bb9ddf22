"""Layer caches of closed pull requests go from a real registry, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.keep.cache_age import CONFIG, written
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.plan.caches import cache_tag
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from support.engine.private import PrivateEngine
from support.github.served import GitHub, github
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served
from support.yard.promoted import ONE, PromotedYard, make_promoted_yard

DAYS = {"young": 2, "old": 20}


@pytest.fixture
def yard(registry: Served, tmp_path: Path) -> PromotedYard:
    return make_promoted_yard(registry, tmp_path)


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as found:
        yield found


def put_cache(client: Client, yard: PromotedYard, scope: str, *, days: float | None = 20, note: str = "") -> Digest:
    """A cache as BuildKit leaves it, whose newest step is so many days old (None: of no known time)."""
    reference = Reference(yard.host, f"{yard.name}-cache-branch", cache_tag(ONE, "amd64", scope))
    time = "0001-01-01T00:00:00Z"
    if days is not None:
        time = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat().replace("+00:00", "123Z")
    config = json.dumps(
        {"layers": [], "records": [{"layers": [{"layer": 0, "createdAt": time}]}], "note": note or scope}
    )
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": push_bytes(client, reference, config.encode()),
            "size": len(config.encode()),
        },
        "layers": [],
    }
    return client.put(reference, json.dumps(body).encode(), OCI_MANIFEST)


def left(client: Client, yard: PromotedYard) -> set[str]:
    """The scopes of the caches that are there."""
    tags = client.tags(Reference(yard.host, f"{yard.name}-cache-branch"))
    return {tag.removeprefix(cache_tag(ONE, "amd64", "")) for tag in tags}


def fates(out: str) -> Mapping[str, tuple[bool, str]]:
    return {
        one["tag"].removeprefix(cache_tag(ONE, "amd64", "")): (one["goes"], one["reason"]) for one in json.loads(out)
    }


def test_the_caches_of_a_closed_pull_request_go(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    scopes = {"pr-1", "pr-17", "pr-170", "main", "ref-0123456789ab"}
    for scope in scopes:
        put_cache(client, yard, scope)
    shown = yard.inv("cache.clean", "--pr", "17", "--json")
    assert shown.code == 0, shown.all
    assert {scope for scope, (goes, _) in fates(shown.out).items() if goes} == {"pr-17"}
    assert left(client, yard) == scopes, "without --yes nothing goes"
    assert "--yes does it" in yard.inv("cache.clean", "--pr", "17").err
    assert yard.inv("cache.clean", "--pr", "17", "--yes").code == 0
    assert left(client, yard) == scopes - {"pr-17"}
    again = yard.inv("cache.clean", "--pr", "17", "--yes")
    assert (again.code, "0 of 4 tags" in again.err) == (0, True)


def test_what_is_old_and_closed_goes(yard: PromotedYard, registry: Served, hub: GitHub) -> None:
    client = registry.client()
    hub.pulls = [{"number": number, "state": "open"} for number in range(1000, 1250)]
    hub.pulls += [{"number": number, "state": "closed"} for number in (1, 2, 3)]
    put_cache(client, yard, "pr-1")
    put_cache(client, yard, "pr-2", days=2)
    put_cache(client, yard, "pr-3", days=None)
    put_cache(client, yard, "pr-1000")
    put_cache(client, yard, "pr-1249")
    put_cache(client, yard, "main")
    put_cache(client, yard, "ref-0123456789ab")
    put_cache(client, yard, "ref-ba9876543210", days=2)
    done = yard.inv("cache.clean", "--older-than", "7d", "--json", "--yes", env=hub.env)
    assert done.code == 0, done.all
    assert fates(done.out) == {
        "pr-1": (True, "pull request 1 is closed, and it is 20 d old"),
        "pr-2": (False, "pull request 2 is closed, and it is 2 d old"),
        "pr-3": (False, "pull request 3 is closed, and nobody knows how old it is"),
        "pr-1000": (False, "pull request 1000 is open"),
        "pr-1249": (False, "pull request 1249 is open"),
        "main": (False, "of no pull request"),
        "ref-0123456789ab": (True, "of a branch, and it is 20 d old"),
        "ref-ba9876543210": (False, "of a branch, and it is 2 d old"),
    }
    assert left(client, yard) == {"pr-2", "pr-3", "pr-1000", "pr-1249", "main", "ref-ba9876543210"}
    assert hub.asked.count("GET pulls") == 3


def test_what_the_list_missed_is_asked_for_again(yard: PromotedYard, registry: Served, hub: GitHub) -> None:
    """Where one is closed while pages are read, another moves to a page that was read already."""
    client = registry.client()
    put_cache(client, yard, "pr-5")
    hub.pulls = [{"number": 5, "state": "open"}]
    listed = yard.home / "open.json"
    listed.write_text("[]")
    shown = yard.inv("cache.clean", "--older-than", "7d", "--open", str(listed), "--json")
    assert fates(shown.out)["pr-5"][0], "what is in a file is the caller's word"
    everything = hub.answer
    hub.answer = lambda method, path, *rest: (200, []) if path == "pulls" else everything(method, path, *rest)  # type: ignore[method-assign]
    done = yard.inv("cache.clean", "--older-than", "7d", "--json", "--yes", env=hub.env)
    assert fates(done.out) == {"pr-5": (False, "pull request 5 is open, though the list lacks it")}
    assert left(client, yard) == {"pr-5"}


@pytest.mark.parametrize("refuse", [[403], [500] * 5, [200]], ids=["denied", "failing", "no list"])
def test_half_a_list_deletes_nothing(yard: PromotedYard, registry: Served, hub: GitHub, refuse: list[int]) -> None:
    put_cache(registry.client(), yard, "pr-1")
    hub.pulls = [{"number": 1, "state": "closed"}]
    hub.refuse = refuse
    done = yard.inv("cache.clean", "--older-than", "7d", "--yes", env=hub.env)
    assert done.code in (8, 9), done.all
    assert hub.token not in done.all
    assert left(registry.client(), yard) == {"pr-1"}


@pytest.mark.parametrize("text", ["", "{}", "[1, null]", '[{"number": "1"}]', "[true]", "[0]"])
def test_a_list_that_is_none_is_refused(yard: PromotedYard, registry: Served, text: str) -> None:
    put_cache(registry.client(), yard, "pr-1")
    listed = yard.home / "open.json"
    listed.write_text(text)
    done = yard.inv("cache.clean", "--older-than", "7d", "--open", str(listed), "--yes")
    assert done.code == 2, done.all
    assert left(registry.client(), yard) == {"pr-1"}


@pytest.mark.parametrize(
    "options", [[], ["--pr", "1", "--older-than", "7d"], ["--pr", "x"], ["--pr", "0"], ["--older-than", "7"]]
)
def test_what_is_asked_for_must_be_clear(yard: PromotedYard, options: list[str]) -> None:
    assert yard.inv("cache.clean", *options, "--yes").code == 2


def test_what_shares_its_manifest_with_what_stays_stays(yard: PromotedYard, registry: Served) -> None:
    """Deleting goes by digest and takes all tags of it along."""
    client = registry.client()
    same = [put_cache(client, yard, scope, days=None, note="the same steps") for scope in ("pr-1", "main")]
    assert same[0] == same[1]
    twins = [put_cache(client, yard, scope, days=None, note="two of one") for scope in ("pr-2", "pr-20")]
    assert twins[0] == twins[1]
    done = yard.inv("cache.clean", "--pr", "1", "--yes", "--json")
    goes, reason = fates(done.out)["pr-1"]
    assert (done.code, goes) == (0, False)
    assert reason == f"of pull request 1, but {cache_tag(ONE, 'amd64', 'main')} is the same manifest, and stays"
    assert yard.inv("cache.clean", "--pr", "2", "--yes").code == 0
    assert left(client, yard) == {"pr-1", "main", "pr-2", "pr-20"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("GET .*/tags/list", status=403), 8),
        (Fault("(HEAD|GET) .*/manifests/.*-pr-2$", status=403), 8),
        (Fault("DELETE", status=403), 8),
        (Fault("DELETE", status=405), 4),
    ],
    ids=["the list", "one tag", "deleting", "no deletion there"],
)
def test_unreadable_means_hands_off(yard: PromotedYard, registry: Served, fault: Fault, code: int) -> None:
    client = registry.client()
    for number in (1, 2):
        put_cache(client, yard, f"pr-{number}")
    with running(Proxy(registry.host)) as proxy:
        yard.edit("images.yml", f"branch: {registry.host}/{yard.name}-cache", f"branch: {proxy.host}/{yard.name}-cache")
        proxy.faults = [fault]
        done = yard.inv("cache.clean", "--pr", "1", "--yes")
        assert done.code == code, done.all
        assert len(proxy.requests("^DELETE")) == ("DELETE" in fault.where)
    assert left(client, yard) == {"pr-1", "pr-2"}


def test_a_repository_that_is_not_there_has_nothing_to_clean(yard: PromotedYard) -> None:
    done = yard.inv("cache.clean", "--pr", "1", "--yes")
    assert (done.code, "0 of 0 tags" in done.err) == (0, True)
    yard.edit("images.yml", f", branch: {yard.host}/{yard.name}-cache-branch", "")
    done = yard.inv("cache.clean", "--pr", "1", "--json")
    assert (done.code, json.loads(done.out)) == (0, [])
    assert "names no repository" in done.err


@pytest.mark.engine
def test_a_real_cache_tells_its_age(
    docker_engine: PrivateEngine, busybox_base: str, registry: Served, tmp_path: Path
) -> None:
    """A cache that BuildKit itself exported, as an image manifest."""
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox_base}\nRUN echo {tmp_path.name}\n")
    tag = cache_tag(ONE, "amd64", "pr-1")
    place = registry.reference("real/cache", tag)
    before = datetime.now(timezone.utc) - timedelta(minutes=10)
    docker_engine.docker(
        "buildx", "build", "--cache-to",
        f"type=registry,ref={place},mode=max,image-manifest=true,oci-mediatypes=true", str(tmp_path),
    )  # fmt: skip
    time = written(registry.client(), place, [tag])[tag]
    assert before < time <= datetime.now(timezone.utc) + timedelta(minutes=10)
