"""Publishing to a real registry: what is there afterwards, by the words of clients that no one here wrote."""

from __future__ import annotations

import json

import pytest
from imageyard.names import parse_reference
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served, put_image, tool
from support.yard.publishing import ARCH, BASE, BOTH, PublishingYard

pytestmark = [pytest.mark.engine]


def ok(yard: PublishingYard, *argv: str) -> str:
    """The result of a command that succeeds."""
    done = yard.inv(*argv)
    assert done.code == 0, done.all
    return done.out.strip()


@pytest.mark.parametrize("provenance", ["off", "min"])
def test_a_pushed_image_is_what_other_clients_find(port: PublishingYard, provenance: str) -> None:
    port.edit("images.yml", "defaults:\n", f"defaults:\n  provenance: {provenance}\n")
    port.git("remote", "add", "origin", "https://user:secret@example.org/ci/images.git")
    ok(port, "build", BASE)
    pushed = ok(port, "push", BASE)
    tag = port.tag(BASE)
    reference = str(port.at(tag))
    digest = tool("crane", "digest", reference)
    assert pushed == f"{BASE} {ARCH} {port.repository}@{digest}"
    assert ok(port, "resolve", BASE) == ok(port, "wait", BASE) == f"{port.repository}@{digest}"
    loaded = port.engine.engine.inspect(reference)
    assert loaded is not None
    assert loaded.digest == digest, "what was checked is what is published"

    raw = json.loads(tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"))
    assert ("manifests" in raw) is (provenance == "min")
    # crane takes every layer for a gzip, those of an attestation too: it gets the image itself
    tool(
        "crane",
        "validate",
        "--remote",
        port.at().with_digest(raw["manifests"][0]["digest"] if "manifests" in raw else digest),
    )
    config = json.loads(tool("crane", "config", reference))
    labels = config["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == BASE
    assert labels["org.opencontainers.image.source"] == "https://example.org/ci/images"
    assert labels["io.imageyard.inputs"] == json.loads(ok(port, "tag", BASE, "--explain", "--json"))[0]["inputs"]
    assert port.git("rev-parse", "HEAD") not in json.dumps(config)

    assert port.outcomes() == {BASE: "published"}
    again = port.inv("push", BASE)
    assert (again.code, again.out.strip()) == (0, pushed)
    assert "nothing to do" in again.err
    assert port.outcomes() == {BASE: "skipped"}


def test_the_record_is_beside_the_image(port: PublishingYard) -> None:
    ok(port, "build", BASE)
    ok(port, "push", BASE)
    reference = ok(port, "resolve", BASE)
    (record,) = json.loads(ok(port, "records", BASE, "--json"))
    assert (record["reference"], record["image"], record["outcome"]) == (reference, BASE, "built")
    assert record["commit"] == port.git("rev-parse", "HEAD")
    assert [finding["check"] for finding in record["findings"]] == ["release"]
    assert "1/1" in ok(port, "records", BASE)

    found = json.loads(tool("oras", "discover", "--plain-http", "--format", "json", reference))
    (artifact,) = found.get("manifests") or found["referrers"]
    assert artifact["artifactType"] == ARTIFACT_TYPE
    beside = parse_reference(reference).with_digest(artifact["digest"])
    manifest = json.loads(tool("crane", "manifest", beside))
    assert manifest["subject"]["digest"] == parse_reference(reference).digest
    held = json.loads(tool("crane", "blob", beside.with_digest(manifest["layers"][0]["digest"])))
    assert {"reference": reference, **held} == record


def test_a_record_is_no_signature(port: PublishingYard) -> None:
    """cosign 2.5 looks for signatures, attestations and SBOMs by tags of its own: it finds the image, and none."""
    ok(port, "build", BASE)
    ok(port, "push", BASE)
    shown = tool("cosign", "tree", port.at(port.tag(BASE)))
    assert shown.startswith(f"\N{PACKAGE} Supply Chain Security Related artifacts for an image: {port.repository}:")
    assert "No Supply Chain Security Related Artifacts" in shown


def test_what_else_is_beside_an_image_does_no_harm(port: PublishingYard, registry: Served) -> None:
    from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST
    from imageyard.oci.raw import Raw
    from imageyard.registry.referrers import attach
    from imageyard.registry.upload import push_bytes

    ok(port, "build", BASE)
    ok(port, "push", BASE)
    client, image = registry.client(), port.at(port.tag(BASE))
    subject: Raw = client.get(image)
    for content in (b"no JSON", b'{"version": 99}', b"\xff\xfe"):
        layer = {"mediaType": ARTIFACT_TYPE, "digest": push_bytes(client, image, content), "size": len(content)}
        config = {"mediaType": OCI_EMPTY, "digest": push_bytes(client, image, b"{}"), "size": 2}
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": config,
            "layers": [layer],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.body)},
        }
        attach(client, image, json.dumps(body).encode())
    done = port.inv("records", BASE, "--json")
    assert done.code == 0
    assert len(json.loads(done.out)) == 1
    assert done.err.count("is left out") == 3


def test_the_classic_store_publishes_compressed_layers_of_always_the_same_bytes(classic_port: PublishingYard) -> None:
    port = classic_port
    ok(port, "build", BASE)
    first = ok(port, "push", BASE)
    reference = str(port.at(port.tag(BASE)))
    tool("crane", "validate", "--remote", reference)
    layers = json.loads(tool("crane", "manifest", reference))["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert ok(port, "push", BASE, "--force") == first


def test_nothing_is_pushed_that_did_not_earn_its_tag(port: PublishingYard) -> None:
    done = port.inv("push", BASE)
    assert done.code == 7
    assert f"next: inv build {BASE}" in done.err
    tag = port.tag(BASE)
    port.engine.docker("tag", f"{port.host}/library/busybox:1", f"{port.repository}:{tag}")
    done = port.inv("push", BASE)
    assert done.code == 10
    assert "not what its tag says" in done.err
    assert port.inv("resolve", BASE).code == 7


def test_what_is_not_pinned_is_refused_unless_the_image_says_so(port: PublishingYard) -> None:
    port.write("images.lock", "")
    ok(port, "build", BASE)
    done = port.inv("push", BASE)
    assert done.code == 10
    assert "is not locked" in done.err
    port.edit("images.yml", "defaults:\n", "defaults:\n  unpinned: allowed\n")
    assert ok(port, "push", BASE).startswith(f"{BASE} {ARCH} {port.repository}@sha256:")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(401, 8, "docker login"), (403, 8, "docker login"), (500, 9, "HTTP 500"), (404, 9, "a body of type text/html")],
)
def test_nothing_is_pushed_past_an_unknown_state(
    port: PublishingYard, registry: Served, status: int, code: int, said: str
) -> None:
    ok(port, "build", BASE)
    page = {"Content-Type": "text/html"}
    with running(Proxy(registry.host)) as proxy:
        proxy.faults = [Fault("manifests/linux", status=status, headers=page, body=b"<html></html>")]
        port.move(proxy.host)
        for command in ("push", "resolve"):
            done = port.inv(command, BASE)
            assert (done.code, done.out) == (code, ""), done.all
            assert said in done.err
        assert port.inv("wait", BASE, "--timeout", "1s").code == code
        assert proxy.requests("^(PUT|POST|PATCH)") == []


def test_a_forced_push_moves_the_tag_or_says_what_to_do(port: PublishingYard, registry: Served) -> None:
    ok(port, "build", BASE)
    first = ok(port, "push", BASE)
    port.engine.docker("builder", "prune", "--all", "--force")
    ok(port, "build", BASE, "--force")
    assert ok(port, "push", BASE) == first, "a content tag is not moved by itself"
    second = ok(port, "push", BASE, "--force")
    assert second != first
    assert port.records()[BASE]["forced"]
    assert json.loads(ok(port, "records", BASE, "--json"))[0]["forced"]

    with running(Proxy(registry.host)) as proxy:
        words = b'{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}'
        proxy.faults = [Fault("PUT /v2/.*manifests/linux", status=400, body=words)]
        port.move(proxy.host)
        port.engine.docker("builder", "prune", "--all", "--force")
        ok(port, "build", BASE, "--force")
        done = port.inv("push", BASE, "--force")
    assert done.code == 10
    assert "the tag is immutable" in done.err
    assert "raise `epoch`" in done.err


def test_an_image_of_two_architectures_is_promoted_from_its_rows(port: PublishingYard) -> None:
    missing = port.inv("promote", BOTH)
    assert missing.code == 7
    assert f"inv push {BOTH} --arch amd64  " in missing.err
    missing = port.inv("promote", BOTH, "--at", "branch")
    assert f"inv push {BOTH} --arch amd64 --at branch" in missing.err
    for arch in ("amd64", "arm64"):
        ok(port, "build", BOTH, "--arch", arch)
        ok(port, "push", BOTH, "--arch", arch)
    assert port.inv("resolve", BOTH).code == 7
    promoted = ok(port, "promote", BOTH)
    reference = str(port.at(port.tag(BOTH)))
    assert promoted == ok(port, "resolve", BOTH) == f"{port.repository}@{tool('crane', 'digest', reference)}"
    tool("crane", "validate", "--remote", reference)
    listed = json.loads(tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"))["manifests"]
    rows = [parse_reference(ok(port, "resolve", BOTH, "--arch", arch)).digest for arch in ("amd64", "arm64")]
    assert [entry["digest"] for entry in listed] == rows
    assert [entry["platform"]["architecture"] for entry in listed] == ["amd64", "arm64"]
    assert ok(port, "promote", BOTH) == promoted
    done = port.nox("-s", "merge_image", "--", BOTH)
    assert done.code == 0, done.all
    assert promoted in done.out
    assert len(json.loads(ok(port, "records", BOTH, "--json"))) == 2


def test_of_one_architecture_promotion_keeps_the_digest(port: PublishingYard) -> None:
    ok(port, "build", BASE)
    pushed = ok(port, "push", BASE, "--at", "branch").split()[-1]
    assert ok(port, "promote", BASE, "--at", "branch") == ok(port, "resolve", BASE, "--at", "branch") == pushed
    assert port.inv("resolve", BASE).code == 7, "trusted is another repository"


def test_rows_that_are_not_what_they_should_be_are_not_promoted(port: PublishingYard, registry: Served) -> None:
    client = registry.client()
    for arch in ("amd64", "arm64"):
        ok(port, "build", BOTH, "--arch", arch)
        ok(port, "push", BOTH, "--arch", arch)
    arm, amd = port.at(port.tag(BOTH, "arm64")), port.at(port.tag(BOTH, "amd64"))
    good = client.get(arm)
    for wrong, said in (
        (client.get(amd), "platform linux/amd64 is foreign"),
        (client.get(arm.with_digest(put_image(client, arm, architecture="arm64"))), "of no recipe"),
    ):
        client.put(arm, wrong.body, wrong.media_type)
        done = port.inv("promote", BOTH)
        assert (done.code, done.out) == (10, ""), done.all
        assert said in done.err
        refused = port.nox("-s", "merge_image", "--", BOTH)
        assert refused.code == 1
        assert "[10]" in refused.all
    assert port.inv("resolve", BOTH).code == 7
    client.put(arm, good.body, good.media_type)
    assert ok(port, "promote", BOTH).startswith(port.repository)


def test_waiting_ends_at_once_where_nobody_will_publish_it(port: PublishingYard) -> None:
    assert port.inv("wait", "linux-bookwork-base", "--timeout", "1h").code == 2
    other = port.inv("wait", BASE, "--timeout", "1h", "--expect", f"{BASE}-{'0' * 20}")
    assert other.code == 10
    assert "other inputs" in other.err
    gone = port.inv("wait", BASE, "--timeout", "1s")
    assert gone.code == 7
    assert "is not there; waiting" in gone.err


def test_waiting_sees_the_image_come(port: PublishingYard) -> None:
    ok(port, "build", BASE)
    with port.start(["inv", "wait", BASE, "--timeout", "5m"]) as waiter:
        assert waiter.stderr is not None
        assert waiter.stdout is not None
        assert "waiting" in waiter.stderr.readline()
        pushed = ok(port, "push", BASE)
        assert waiter.stdout.read().strip() == pushed.split()[-1]
    assert waiter.returncode == 0
