"""Many that publish at once: one image under one tag."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest
from imageyard.http.backoff import Clock
from imageyard.registry.tagging import SETTLE, Given, give
from support.registry.faults import Answer, Proxy, running
from support.registry.served import Served, put_image
from support.yard.publishing import BASE, PublishingYard

pytestmark = [pytest.mark.engine]

RACERS = 10


def together(settled: threading.Barrier) -> Clock:
    """A clock whose pause of `SETTLE` ends when all racers have come to it: the worst case, without its chance."""

    def sleep(seconds: float) -> None:
        if seconds == SETTLE:
            settled.wait(60)

    return Clock(sleep=sleep)


class AllSeeNothing(Proxy):
    """Holds back the first question of each racer for the tag until all have asked."""

    def __init__(self, upstream: str, tag: str) -> None:
        super().__init__(upstream)
        self.tag = tag
        self.asked = 0
        self.start = threading.Barrier(RACERS)

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        first = False
        if handler.command in ("GET", "HEAD") and handler.path.endswith(f"/manifests/{self.tag}"):
            with self.lock:
                self.asked += 1
                first = self.asked <= RACERS
        answer = super().forward(handler, body)
        if first:
            self.start.wait(60)
        return answer


def test_ten_writers_on_ten_machines_end_in_one_image(registry: Served) -> None:
    """They share no lock, have ten different images of the same inputs, and all found the tag free."""
    target = registry.reference("race/machines", "t")
    settled = threading.Barrier(RACERS)
    given: dict[str, Given] = {}
    with running(AllSeeNothing(registry.host, "t")) as proxy:
        near = Served(proxy.host, registry.storage).reference("race/machines", "t")

        def race(number: int) -> None:
            client = registry.client(clock=together(settled))
            digest = put_image(client, near, note=str(number))
            given[digest] = give(client, near, client.get(near.with_digest(digest)))

        threads = [threading.Thread(target=race, args=(number,)) for number in range(RACERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(given) == RACERS
    (winner,) = {one.digest for one in given.values()}
    assert registry.client().head(target)[0] == winner
    assert [digest for digest, one in given.items() if not one.adopted] == [winner]


def test_of_ten_writers_at_immutable_tags_nine_adopt_the_first(registry: Served) -> None:
    target = registry.reference("race/immutable", "t")
    with running(_Immutable(registry.host)) as proxy:
        near = Served(proxy.host, registry.storage).reference("race/immutable", "t")
        client = registry.client(clock=Clock(sleep=lambda seconds: None))
        first = client.get(near.with_digest(put_image(client, near, note="first")))
        assert give(client, near, first) == Given(first.digest, adopted=False)
        second = client.get(near.with_digest(put_image(client, near, note="second")))
        proxy.hide = 1  # the second had found the tag free before the first gave it
        assert give(client, near, second) == Given(first.digest, adopted=True)
        assert give(client, near, first) == Given(first.digest, adopted=False)
    assert registry.client().head(target)[0] == first.digest


class _Immutable(Proxy):
    """Refuses to move a tag, as ECR and Harbor can be told to; `hide`: so many answers that the tag is not there."""

    hide = 0

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        if handler.path.endswith("/manifests/t"):
            if handler.command == "PUT" and self.requests("PUT .*/manifests/t$")[1:]:
                words = b'{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}'
                return Answer(400, {"Content-Length": str(len(words)), "Content-Type": "application/json"}, words)
            if handler.command in ("GET", "HEAD") and self.hide:
                if handler.command == "GET":
                    self.hide -= 1
                words = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
                return Answer(404, {"Content-Length": str(len(words)), "Content-Type": "application/json"}, words)
        return None


def test_ten_pushes_at_once_end_in_one_image(port: PublishingYard, registry: Served) -> None:
    """Ten processes of one machine, all of which found nothing under the tag."""
    assert port.inv("build", BASE).code == 0
    tag = port.tag(BASE)
    with running(AllSeeNothing(registry.host, tag)) as proxy, ExitStack() as stack:
        port.move(proxy.host)
        children = [stack.enter_context(port.start(["inv", "push", BASE])) for _ in range(RACERS)]
        ended = [child.communicate(timeout=300) for child in children]
        assert [child.returncode for child in children] == [0] * RACERS, ended
    assert len({out for out, _ in ended}) == 1
    records = [port.records(run)[BASE] for run in port.runs[-RACERS:]]
    assert [record["outcome"] for record in records] == ["published"] * RACERS
    assert sorted(record["adopted"] for record in records) == [False] + [True] * (RACERS - 1)
    assert len(proxy.requests(f"PUT .*/manifests/{tag}$")) == 1
    port.move(registry.host)
    assert len(json.loads(port.inv("records", BASE, "--json").out)) == 1
