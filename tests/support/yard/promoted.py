"""A scratch repository whose images come to a registry without being built: no engine is needed, nor looked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.project.checkout import Checkout
from imageyard.project.labels import INPUTS_LABEL
from imageyard.project.project import Project, load_project
from imageyard.project.recipes import recipes_of
from imageyard.publishing import record_artifact
from imageyard.records import Record
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from support.engine.private import PrivateEngine
from support.registry.served import Served, platform, put_index
from support.yard.publishing import PublishingYard
from support.yard.scratch import ARCH, make_yard

CATALOGUE = """\
registry: {{trusted: {host}/{name}, branch: {host}/{name}-branch}}
mirrors: [{mirrors}]
cache: {{trusted: {host}/{name}-cache, branch: {host}/{name}-cache-branch}}
axes:
  plain: {{linux, one, both}}
images:
  one:
    dockerfile: one/Dockerfile
    arches: [{arch}]
    names:
      linux-one:
  both:
    dockerfile: both/Dockerfile
    arches: [amd64, arm64]
    names:
      linux-both:
"""
ONE = "linux-one"
BOTH = "linux-both"


@dataclass(frozen=True)
class NoEngine:
    """Stands where an engine would: commands are given an address at which none answers."""

    env: Mapping[str, str]


@dataclass
class PromotedYard(PublishingYard):
    """The scratch repository; its images come to be at the registry by `publish`."""

    def project(self) -> Project:
        """Where a command run in it would stand."""
        return load_project(Checkout(self.top / ".ci/docker/images.yml", self.top))

    def inputs(self, image: str, arch: str) -> str:
        """What a row's label has to say."""
        project = self.project()
        return recipes_of(project).of(project.row(image, arch)).inputs

    def row_tag(self, image: str, arch: str) -> str:
        project = self.project()
        return recipes_of(project).tag(project.row(image, arch))

    def index_tag(self, image: str) -> str:
        project = self.project()
        return recipes_of(project).index_tag(project.catalogue.images[image])

    def publish(self, client: Client, image: str, *, branch: bool = False) -> Digest:
        """The rows of an image, each with its record, and the tag over them; its digest."""
        rows = {}
        arches = self.project().catalogue.images[image].arches
        for arch in arches:
            digest = self.publish_row(client, image, arch, branch=branch)
            rows[digest] = platform(arch)
        if len(arches) == 1:
            return next(iter(rows))
        return put_index(client, self.at(self.index_tag(image), branch=branch), rows)

    def publish_row(self, client: Client, image: str, arch: str, *, branch: bool = False) -> Digest:
        """One row under its tag, with a record beside it."""
        tag, inputs = self.row_tag(image, arch), self.inputs(image, arch)
        target = self.at(tag, branch=branch)
        digest = put_row(client, target, arch, inputs, note=f"{self.key} {tag}")
        raw = client.get(target.with_digest(digest))
        record = Record(image, arch, "built", 0, "", started="2026-01-31T12:00:00.000+00:00", recipe=inputs, tag=tag)
        record_artifact.attach(client, target, raw, record)
        return client.put(target, raw.body, raw.media_type)


def put_row(
    client: Client, repository: Reference, arch: str, inputs: str, *, note: str = "", layer: bytes = b""
) -> Digest:
    """An image by digest whose label says what it is made of; `layer` in place of a few bytes."""
    config = {"os": "linux", "architecture": arch, "config": {"Labels": {INPUTS_LABEL: inputs}}, "note": note}
    parts = {"config": json.dumps(config).encode(), "layer": layer or f"layer of {note}".encode()}
    entries = {
        name: {"digest": push_bytes(client, repository, content), "size": len(content)}
        for name, content in parts.items()
    }
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **entries["config"]},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **entries["layer"]}],
        }
    ).encode()
    return client.put(repository.with_digest(digest_of(body)), body, OCI_MANIFEST)


def make_promoted_yard(registry: Served, folder: Path, mirrors: str = "") -> PromotedYard:
    """A repository with the catalogue above, committed, in an empty folder; `mirrors`: `HOST/REPOSITORY, ...`."""
    engine = cast("PrivateEngine", NoEngine({"DOCKER_HOST": f"unix://{folder}/no-engine.sock"}))
    plain = make_yard(engine, folder)
    made = PromotedYard(plain.top, plain.home, plain.engine, plain.key, plain.env, registry.host)
    named = mirrors.format(name=made.name) or f"{registry.host}/{made.name}-mirror"
    made.write("images.yml", CATALOGUE.format(host=registry.host, name=made.name, arch=ARCH, mirrors=named))
    for image in ("one", "both"):
        made.write(f"{image}/Dockerfile", f"FROM scratch\nCOPY {image}/word /word\n")
        made.write(f"{image}/word", f"{made.key}\n")
    made.commit()
    return made
