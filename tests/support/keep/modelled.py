"""A repository at a real registry, and the same as dicts of the second model, which says what has to stay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST
from imageyard.registry import referrers
from imageyard.registry.client import Client
from support.keep.second_model import DAY, World
from support.registry.pullable import put_pullable
from support.registry.served import platform

__all__ = ["CATALOGUE", "Repository"]

CATALOGUE = """\
registry: {name}
tag: content
retention: {{share: 100%, temporaries: ["tmp-*"]}}
axes: {{plain: {{linux, base}}}}
images:
  base: {{dockerfile: Dockerfile, arches: [amd64], names: {{linux-base: }}}}
"""
"""A catalogue of which the repository `name` is; its images are those of the model."""


class Repository:
    """A repository at the registry, and the same as dicts of the second model.

    `lists` are the digests that each index lists, also where the model is told that nobody can read it.
    """

    def __init__(self, client: Client, place: Reference) -> None:
        self.client, self.place = client, place
        self.world = World(images=("linux-base",))
        self.lists: dict[str, list[str]] = {}
        self.image = json.loads(client.get(place.with_digest(put_pullable(client, place, "all of them"))).body)

    def put(self, note: str, age: int = 400 * DAY, **said: Any) -> Digest:
        """An image, or with `children` an index, or with `subject` what refers to one."""
        children: Sequence[Digest] = said.get("children", ())
        body: dict[str, Any] = {"schemaVersion": 2, "annotations": {"note": note}}
        if "children" in said:
            body |= {"mediaType": OCI_INDEX, "manifests": [self.entry(child) | platform("amd64") for child in children]}
        else:
            body |= {"mediaType": OCI_MANIFEST, "config": self.image["config"], "layers": self.image["layers"]}
        if "subject" in said:
            body |= {"subject": self.entry(said["subject"]), "artifactType": "application/vnd.example.signature"}
        content = json.dumps(body).encode()
        digest = self.client.put(self.place, content, body["mediaType"])
        self.add(digest, age, children=list(children), subject=said.get("subject"), type=body.get("artifactType"))
        if "subject" in said:
            referrers.attach(self.client, self.place, content)
            tag = referrers.fallback_tag(said["subject"])
            self.add(self.client.head(self.place.with_tag(tag))[0], age, children=[digest], tags=[tag])
        return digest

    def entry(self, digest: Digest) -> dict[str, Any]:
        raw = self.client.get(self.place.with_digest(digest))
        return {"mediaType": raw.media_type, "digest": digest, "size": len(raw.body)}

    def add(self, digest: str, age: int, **said: Any) -> None:
        self.lists[digest] = said.get("children", [])
        self.world.manifests[digest] = {
            "children": [], "subject": None, "attests": [], "tags": [], "pushed": self.world.now - age,
            "pulled": None, "archived": False, "archived_at": None, "commit": None, "type": None, **said,
        }  # fmt: skip
        self.world.backups.add(digest)  # this catalogue asks for none
        self.world.unversioned.add(digest)  # no label says of which version it is

    def tag(self, tag: str, digest: Digest) -> None:
        """Give a tag, which whoever has it loses."""
        raw = self.client.get(self.place.with_digest(digest))
        self.client.put(self.place.with_tag(tag), raw.body, raw.media_type)
        for name, it in self.world.manifests.items():
            it["tags"] = [*(one for one in it["tags"] if one != tag), *([tag] if name == digest else [])]

    def there(self) -> set[str]:
        found = self.world.manifests
        return {one for one in found if self.client.digest_of(self.place.with_digest(Digest(one))) is not None}
