"""Rows for architectures that few machines have, built and run under emulation, and promoted into one index."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, platform_of
from imageyard.stack.emulation import ensure_emulation
from support.engine.busybox_root import busybox_root
from support.engine.private import PrivateEngine
from support.registry.served import Served, tool
from support.yard.publishing import PublishingYard
from support.yard.scratch import make_yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

MACHINES: Mapping[Arch, str] = {"amd64": "x86_64", "riscv64": "riscv64", "armv7": "armv7l", "s390x": "s390x"}
IMAGE = "linux-every"

CATALOGUE = """\
registry: {{trusted: {host}/{name}, branch: {host}/{name}-branch}}
mirrors: [{host}/{name}-mirror]
axes:
  plain: {{linux, every}}
images:
  all:
    dockerfile: Dockerfile
    arches: [{arches}]
    checks:
      machine: {{run: uname -m, matches: "^x86_64$"}}
      told: {{run: cat /etc/told, matches: "^{{arch}} linux/"}}
    per_arch:
{per_arch}
    names:
      linux-every:
"""
PER_ARCH = '      {arch}: {{checks: {{machine: {{matches: "^{machine}$"}}}}}}\n'

DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
ARG TARGETVARIANT
ADD root-${{TARGETARCH}}${{TARGETVARIANT}}.tar /
ENV PATH=/bin
ARG WORD
ARG TARGETPLATFORM
RUN echo every of {key} && uname -m > /etc/machine && echo "$WORD $TARGETPLATFORM" > /etc/told
"""


@pytest.fixture
def every_yard(
    docker_engine: PrivateEngine, registry: Served, shared_tmp: Path, tmp_path: Path
) -> Iterator[PublishingYard]:
    """A scratch repository with one image of four architectures, all of which this machine runs."""
    try:
        for arch in MACHINES:
            ensure_emulation(arch)
    except EnvironmentLacks as lacks:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lacks), pytrace=False)
        pytest.skip(str(lacks))
    plain = make_yard(docker_engine, tmp_path)
    made = PublishingYard(plain.top, plain.home, plain.engine, plain.key, plain.env, registry.host)
    per_arch = "".join(PER_ARCH.format(arch=arch, machine=machine) for arch, machine in MACHINES.items())
    catalogue = CATALOGUE.format(host=registry.host, name=made.name, arches=", ".join(MACHINES), per_arch=per_arch)
    made.write("images.yml", catalogue.replace("dockerfile:", 'args: {WORD: "{arch}"}\n    dockerfile:'))
    made.write("Dockerfile", DOCKERFILE.format(key=made.key))
    for arch in MACHINES:
        name = platform_of(arch).removeprefix("linux/").replace("/", "")
        made.write(f"root-{name}.tar", busybox_root(shared_tmp, arch))
    made.commit()
    yield made
    made.remove_images()


def ok(yard: PublishingYard, *argv: str) -> str:
    """The result of a command that succeeds."""
    done = yard.inv(*argv)
    assert done.code == 0, done.all
    return done.out.strip()


def test_rows_of_rare_architectures_become_one_index_with_amd64(every_yard: PublishingYard) -> None:
    yard = every_yard
    digests = {}
    for arch in MACHINES:
        done = yard.nox("-s", f"build_image(arch='{arch}', image='{IMAGE}')")
        assert done.code == 0, done.all
        digests[platform_of(arch)] = ok(yard, "push", IMAGE, "--arch", arch).rpartition("@")[2]
        found = json.loads(ok(yard, "records", IMAGE, "--arch", arch, "--at", "trusted", "--json"))
        assert [(record["arch"], record["outcome"]) for record in found] == [(arch, "built")]
        assert {finding["check"]: finding["ok"] for finding in found[0]["findings"]} == {"machine": True, "told": True}
    ok(yard, "promote", IMAGE)
    index = str(yard.at(yard.tag(IMAGE)))

    tool("crane", "validate", "--remote", index)
    said = json.loads(tool("crane", "manifest", index))["manifests"]
    platforms = {
        "/".join(filter(None, map(entry["platform"].get, ("os", "architecture", "variant")))): entry for entry in said
    }
    assert {platform: entry["digest"] for platform, entry in platforms.items()} == digests
    for arch, machine in MACHINES.items():
        system, architecture, *variant = platform_of(arch).split("/")
        chosen = [f"--override-os={system}", f"--override-arch={architecture}"]
        chosen += [f"--override-variant={each}" for each in variant]
        config = json.loads(tool("skopeo", *chosen, "inspect", "--config", "--tls-verify=false", f"docker://{index}"))
        assert (config["architecture"], config.get("variant")) == (architecture, variant[0] if variant else None)
        run = ["run", "--rm", "--pull", "always", "--quiet", "--platform", platform_of(arch), index]
        said_by = yard.engine.docker(*run, "/bin/sh", "-c", "uname -m; cat /etc/machine /etc/told").split()
        assert said_by == [machine, machine, arch, platform_of(arch)]

    ok(yard, "mirror", IMAGE)
    copy = f"{yard.repository}-mirror:{yard.tag(IMAGE)}"
    assert tool("crane", "digest", copy) == tool("crane", "digest", index)
    for arch in MACHINES:
        row = yard.tag(IMAGE, arch)
        assert tool("crane", "digest", f"{yard.repository}-mirror:{row}") == digests[platform_of(arch)]
    again = yard.nox("-t", "armv7")
    assert again.code == 0, again.all
    assert yard.outcomes() == {IMAGE: "skipped"}
