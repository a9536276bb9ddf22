"""`nox -s shell`: CI's image with one command and no account, else one that is built here."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from imageyard.names import Reference, parse_reference
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served, put_image
from support.yard.publishing import ARCH, BASE, PublishingYard

pytestmark = [pytest.mark.engine]


@contextmanager
def mirrored_at(port: PublishingYard) -> Iterator[PublishingYard]:
    """Its base image is published and mirrored, and not in the engine."""
    mirror = f"{port.repository}-mirror"
    port.edit("images.yml", "defaults:\n", f"mirrors: [{mirror}]\ndefaults:\n")
    port.commit()
    for command in ("build", "push", "promote", "mirror"):
        done = port.inv(command, BASE)
        assert done.code == 0, done.all
    port.remove_images()
    yield port
    for name in (mirror, port.repository):
        for line in port.engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name).splitlines():
            port.engine.docker("rmi", "--force", line, check=False)


@pytest.fixture
def mirrored(port: PublishingYard) -> Iterator[PublishingYard]:
    with mirrored_at(port) as found:
        yield found


def at_mirror(yard: PublishingYard) -> Reference:
    return parse_reference(f"{yard.repository}-mirror:{yard.tag(BASE)}")


def test_one_command_and_no_account(mirrored: PublishingYard, registry: Served) -> None:
    """What the machine's user once logged in with is stale, and is not even shown to the mirror."""
    with running(Proxy(registry.host)) as proxy:
        mirrored.edit("images.yml", f"mirrors: [{registry.host}", f"mirrors: [{proxy.host}")
        _one_command(mirrored, proxy)


def _one_command(mirrored: PublishingYard, proxy: Proxy) -> None:
    config = mirrored.home / ".docker" / "config.json"
    config.parent.mkdir()
    stale = base64.b64encode(b"user:of last year").decode()
    config.write_text(json.dumps({"auths": {proxy.host: {"auth": stale}}}))
    done = mirrored.nox("-s", "shell", "--", BASE, "cat", "/etc/release")
    assert done.code == 0, done.all
    assert "12" in done.out.split()
    mirror = parse_reference(f"{proxy.host}/{mirrored.name}-mirror:{mirrored.tag(BASE)}")
    assert f"pulling {mirror}" in done.err
    assert "not from" not in done.err
    assert proxy.requests("GET .*/blobs/")
    assert not [line for line, headers in proxy.log if "authorization" in headers]
    again = mirrored.nox("-s", "shell", "--", BASE, "--print")
    assert again.out.strip() == str(mirror), again.err
    assert "is in the engine" in again.err
    assert mirrored.tags() == set(), "it did not pass its checks here, so it has not the name of one that did"
    assert fate(mirrored, mirror) == (False, "current")
    mirrored.edit("base/Dockerfile", "ARG RELEASE\n", "ARG RELEASE\nLABEL moved=on\n")
    assert fate(mirrored, mirror) == (True, "its inputs have moved on")
    mirrored.edit("base/Dockerfile", "LABEL moved=on\n", "")
    failed = mirrored.nox("-s", "shell", "--", BASE, "sh", "-c", "exit 3")
    assert failed.code == 1
    assert "sh ended with exit code 3" in failed.all


def test_an_engine_that_keeps_no_digests_pulls_by_digest_too(classic_port: PublishingYard) -> None:
    with mirrored_at(classic_port) as yard:
        done = yard.nox("-s", "shell", "--", BASE, "cat", "/etc/release")
        assert done.code == 0, done.all
        assert f"pulling {at_mirror(yard)}" in done.err
        assert "12" in done.out.split()
        assert yard.nox("-s", "shell", "--", BASE, "--print").out.strip() == str(at_mirror(yard))


def fate(yard: PublishingYard, image: Reference) -> tuple[bool, str]:
    """What `inv clean` would do with an image."""
    listed = json.loads(yard.inv("clean", "--json").out)
    (found,) = [one for one in listed if one["name"] == str(image)]
    return found["goes"], found["reason"]


def test_the_next_place_is_asked_and_the_reason_told(mirrored: PublishingYard, registry: Served) -> None:
    with running(Proxy(registry.host)) as proxy:
        mirrored.edit("images.yml", f"mirrors: [{registry.host}", f"mirrors: [{proxy.host}")
        proxy.faults = [Fault("manifests/linux", status=401)]
        done = mirrored.nox("-s", "shell", "--", BASE, "--print")
        assert done.code == 0, done.all
        assert f"not from {proxy.host}/{mirrored.name}-mirror: {proxy.host} refused us" in done.err
    assert done.out.strip() == str(mirrored.at(mirrored.tag(BASE)))


def test_what_is_another_image_is_not_taken(mirrored: PublishingYard, registry: Served) -> None:
    client = registry.client()
    for place in (at_mirror(mirrored), mirrored.at(mirrored.tag(BASE))):
        forged = client.get(place.with_digest(put_image(client, place, architecture=ARCH)))
        client.put(place, forged.body, forged.media_type)
    done = mirrored.nox("-s", "shell", "--", BASE, "--print")
    assert done.code == 0, done.all
    assert done.err.count("of no inputs") or done.err.count("of no recipe"), done.err
    assert f"built here, because {mirrored.tag(BASE)} was found nowhere" in done.err
    assert mirrored.outcomes() == {BASE: "built"}


def test_what_is_never_published_is_not_asked_for(port: PublishingYard, registry: Served) -> None:
    port.write("images.lock", "")
    with running(Proxy(registry.host)) as proxy:
        port.edit("images.yml", "defaults:\n", f"mirrors: [{proxy.host}/any]\ndefaults:\n")
        done = port.nox("-s", "shell", "--", BASE, "--print")
        assert done.code == 0, done.all
        assert "built here, because its tag is never published" in done.err
        assert proxy.log == []
    assert done.out.strip() == str(port.at(port.tag(BASE)))
    assert port.nox("-s", "shell", "--", "linux-bookwork-base").code == 1
    assert port.result["code"] == 2
