"""What refers to an image, at a real registry without the referrers API, compared with oras."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard.errors import Denied, Transient
from imageyard.http.backoff import Policy
from imageyard.oci.manifests import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from imageyard.parallel import each
from imageyard.registry import upload
from imageyard.registry.client import Client
from imageyard.registry.referrers import attach, detach, fallback_tag, referrers
from support.registry.faults import Answer, Fault, Proxy, running
from support.registry.served import Served, platform, put_image, put_index, tool


def artifact(client: Client, repository: object, subject: Descriptor, kind: str, note: str) -> bytes:
    empty = {"mediaType": OCI_EMPTY, "digest": upload.push_bytes(client, repository, b"{}"), "size": 2}  # type: ignore[arg-type]
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        "annotations": {"note": note},
    }
    return json.dumps(content).encode()


def test_referrers_where_there_is_no_api(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("referred/image", "t")
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    subject = reference.with_digest(image)
    assert referrers(client, subject) == ()
    described = Descriptor(OCI_INDEX, image, len(client.get(subject).body))
    kinds = ["application/vnd.example.record", "application/vnd.example.record", "application/vnd.example.other"]
    made = [
        attach(client, reference, artifact(client, reference, described, kind, str(n))) for n, kind in enumerate(kinds)
    ]
    attach(client, reference, artifact(client, reference, described, kinds[0], "0"))  # again: no second entry

    assert [entry.digest for entry in referrers(client, subject)] == [made[1], made[2], made[0]]
    assert [entry.digest for entry in referrers(client, subject, kinds[2])] == [made[2]]
    seen = json.loads(tool("oras", "discover", "--plain-http", "--format", "json", subject))
    assert {one["digest"] for one in seen.get("referrers") or seen["manifests"]} == set(made)
    assert fallback_tag(image) in client.tags(reference)

    detach(client, reference, image, made[1])
    assert {entry.digest for entry in referrers(client, subject)} == {made[0], made[2]}


def test_many_attach_at_once_and_none_is_lost(registry: Served) -> None:
    reference = registry.reference("referred/race", "t")
    client = registry.client()
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    described = Descriptor(OCI_INDEX, image, len(client.get(reference).body))
    bodies = [artifact(client, reference, described, "application/vnd.example.record", str(n)) for n in range(10)]
    made = each(bodies, lambda body: attach(registry.client(), reference, body), 10)
    assert {entry.digest for entry in referrers(client, reference.with_digest(image))} == set(made)
    assert len(set(made)) == 10


def test_a_writer_elsewhere_who_was_faster_is_noticed(registry: Served) -> None:
    """Another machine writes the fallback index it had read, just after we wrote ours: ours is written again."""
    reference = registry.reference("referred/elsewhere", "t")
    direct = registry.client()
    image = put_index(direct, reference, {put_image(direct, reference): platform("amd64")})
    described = Descriptor(OCI_INDEX, image, len(direct.get(reference).body))
    theirs = attach(direct, reference, artifact(direct, reference, described, "application/x", "theirs"))
    stale = direct.get(reference.with_tag(fallback_tag(image)))

    class Overwritten(Proxy):
        overwritten = False

        def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
            answer = super().forward(handler, body)
            if handler.command == "PUT" and fallback_tag(image) in handler.path and not self.overwritten:
                self.overwritten = True
                direct.put(reference.with_tag(fallback_tag(image)), stale.body, stale.media_type)
            return answer

    with running(Overwritten(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        here = served.reference("referred/elsewhere")
        ours = attach(served.client(), here, artifact(direct, reference, described, "application/x", "ours"))
    assert {entry.digest for entry in referrers(direct, reference.with_digest(image))} == {theirs, ours}


def test_what_oras_attached_is_found(registry: Served, tmp_path: Path) -> None:
    client = registry.client()
    reference = registry.reference("referred/by-oras", "t")
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    (tmp_path / "note.txt").write_text("hello")
    tool(
        "oras", "attach", "--plain-http", "--disable-path-validation",
        "--artifact-type", "application/vnd.example.note",
        reference.with_digest(image), f"{tmp_path}/note.txt:text/plain",
    )  # fmt: skip
    found = referrers(client, reference.with_digest(image))
    assert [entry.artifact_type for entry in found] == ["application/vnd.example.note"]


def test_an_unbelievable_answer_is_not_an_empty_list(registry: Served) -> None:
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        subject = served.reference("referred/image").with_digest(digest_of(b"anything"))
        assert referrers(client, subject) == ()
        for fault in (Fault("manifests/sha256-", status=401), Fault("manifests/sha256-", status=404, body=b"<html>")):
            proxy.faults = [fault]
            with pytest.raises((Denied, Transient)):
                referrers(client, subject)
        proxy.faults = [Fault("/referrers/", status=403)]
        with pytest.raises(Denied):
            referrers(client, subject)


def test_the_referrers_api_is_used_where_there_is_one(registry: Served) -> None:
    """distribution 2.8 has none: the two pages that one with the API sends, on its own paths."""
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest_of(bytes([n])), "size": n, "artifactType": f"application/{n}"}
        for n in range(2)
    ]
    pages = [
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode() for entry in entries
    ]
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        subject = served.reference("api/image").with_digest(digest_of(b"anything"))
        kind = {"Content-Type": OCI_INDEX}
        link = {**kind, "Link": '<?page=2>; rel="next"'}
        proxy.faults = [
            Fault(r"/referrers/[^?]*$", status=200, body=pages[0], headers=link),
            Fault("page=2", status=200, body=pages[1], headers=kind),
        ]
        found = referrers(served.client(policy=Policy()), subject)
        assert [entry.digest for entry in found] == [entry["digest"] for entry in entries]
        assert [entry.size for entry in referrers(served.client(), subject, "application/1")] == [1]
        assert not proxy.requests("sha256-")
        proxy.faults[1] = Fault("page=2", status=404)
        with pytest.raises(Transient, match="cut the list"):
            referrers(served.client(), subject)
