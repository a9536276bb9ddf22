"""A scratch repository whose images may be published: its base is pushed to, and locked at, the test registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageyard.names import Reference, parse_reference
from support.engine.private import PrivateEngine
from support.registry.served import Served
from support.yard.scratch import ARCH, CONTEXT, Yard, make_yard

CATALOGUE = """\
registry: {{trusted: {host}/{name}, branch: {host}/{name}-branch}}
defaults:
  arches: [{arch}]
  checks:
    release: {{run: cat /etc/release, version: "{{RELEASE}}"}}
axes:
  os: {{bookworm: {{RELEASE: 12}}}}
  plain: {{linux, base, both}}
images:
  base:
    dockerfile: base/Dockerfile
    names:
      linux-{{os}}-base:
  both:
    dockerfile: both/Dockerfile
    arches: [amd64, arm64]
    names:
      linux-both:
"""
BASE = "linux-bookworm-base"
BOTH = "linux-both"


@dataclass
class PublishingYard(Yard):
    """The scratch repository; `host` is its registry: the real one, or a proxy in front of it."""

    host: str = ""

    @property
    def repository(self) -> str:
        return f"{self.host}/{self.name}"

    @property
    def name(self) -> str:
        return f"ci-{self.key}"

    def at(self, tag: str | None = None, *, branch: bool = False) -> Reference:
        """What its registry has."""
        found = parse_reference(f"{self.repository}-branch" if branch else self.repository)
        return found.with_tag(tag) if tag else found

    def text(self, path: str) -> str:
        """A file's text, named relative to the context."""
        return (self.top / CONTEXT / path).read_text()

    def tag(self, image: str, arch: str | None = None) -> str:
        done = self.inv("tag", image, *(["--arch", arch] if arch else []))
        assert done.code == 0, done.err
        return done.out.strip()

    def move(self, host: str) -> None:
        """Name another registry in the catalogue, which is no part of any recipe; loaded images are named anew."""
        tags, old = self.tags(), self.repository
        self.edit("images.yml", self.host, host)
        self.host = host
        for tag in tags:
            self.engine.docker("tag", f"{old}:{tag}", f"{self.repository}:{tag}")
            self.engine.docker("rmi", f"{old}:{tag}")


def make_publishing_yard(engine: PrivateEngine, busybox: str, registry: Served, folder: Path) -> PublishingYard:
    """A repository with the catalogue above, committed, in an empty folder; `busybox` is a base in the engine."""
    base = registry.reference("library/busybox", "1")
    engine.docker("tag", busybox, str(base))
    engine.docker("push", "--quiet", str(base))
    digest = registry.client().head(base)[0]
    plain = make_yard(engine, folder)
    made = PublishingYard(plain.top, plain.home, plain.engine, plain.key, plain.env, registry.host)
    made.write("images.yml", CATALOGUE.format(host=registry.host, name=made.name, arch=ARCH))
    made.write("images.lock", f"{base}@{digest}  # 2026-01-31\n")
    made.write("base/Dockerfile", f'FROM {base}\nARG RELEASE\nRUN mkdir -p /etc && echo "$RELEASE" > /etc/release\n')
    made.write("both/Dockerfile", "FROM scratch\nCOPY both/word /word\n")
    made.write("both/word", f"{made.key}\n")
    made.commit()
    return made
