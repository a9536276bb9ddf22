"""A checkout whose images are at a real registry and backed up to S3, and commands that are run in it."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

from imageyard.errors import NotFound
from imageyard.names import Reference
from imageyard.publishing import record_artifact
from imageyard.records import Record
from imageyard.registry.client import Client
from support.aws.bucket import KEYS, REGION, StrictS3
from support.registry.pullable import tagged
from support.registry.served import Served, platform, put_index, tool
from support.registry.stalling import Stalling
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard
from support.yard.scratch import ARCH

__all__ = ["Contents", "Scene"]

Contents = dict[str, bytes]


class Scene:
    """A checkout with two images at a registry, behind proxies in front of it and of the bucket."""

    def __init__(self, folder: Path, registry: Served, s3: StrictS3, *, through: str = "", bucket: str = "") -> None:
        self.registry = registry
        self.yard: PromotedYard = make_promoted_yard(registry, folder)
        self.bucket = f"b-{self.yard.key}"
        s3.create(self.bucket)
        endpoint = f"http://{bucket or s3.host}"
        section = f"backup: {{bucket: {self.bucket}, prefix: ci, region: {REGION}, endpoint: '{endpoint}'}}\nmirrors:"
        self.yard.edit("images.yml", "mirrors:", section)
        if through:
            self.yard.edit("images.yml", registry.host, through)
        self.yard.commit()
        self.env = {"AWS_ACCESS_KEY_ID": KEYS.id, "AWS_SECRET_ACCESS_KEY": KEYS.secret, "AWS_MAX_ATTEMPTS": "1"}

    @property
    def client(self) -> Client:
        return self.registry.client()

    @property
    def place(self) -> Reference:
        return self.registry.reference(self.yard.name)

    def publish(self) -> None:
        """One image for one architecture, one for two with their records, each by its tags of now."""
        client, rows = self.client, {}
        for name, arch in ((ONE, ARCH), (BOTH, "amd64"), (BOTH, "arm64")):
            tag = self.yard.row_tag(name, arch)
            digest = tagged(client, self.place.with_tag(tag), f"{self.yard.key} {tag}", arch)
            raw = client.get(self.place.with_digest(digest))
            record = Record(name, arch, "published", 0, "", started="2026-01-01T00:00:00.000+00:00")
            record_artifact.attach(client, self.place, raw, record)
            if name == BOTH:
                rows[digest] = platform(arch)
        put_index(client, self.place.with_tag(self.yard.index_tag(BOTH)), rows)

    def there(self) -> Contents:
        """The bytes of each tag's manifest, and of those that it lists."""
        found: Contents = {}
        for tag in self.tags():
            raw = self.client.get(self.place.with_tag(tag))
            found[tag] = raw.body
            for entry in json.loads(raw.body).get("manifests", ()):
                found[entry["digest"]] = self.client.get(self.place.with_digest(entry["digest"])).body
        return found

    def tags(self) -> list[str]:
        """All tags; none of a repository that is not there."""
        try:
            return list(self.client.tags(self.place))
        except NotFound:
            return []

    def names(self, contents: Contents) -> list[Reference]:
        """What was there under tags, by its names."""
        return [self.place.with_tag(tag) for tag in contents if ":" not in tag]

    def empty(self) -> None:
        """Lose everything that the registry has: its folder."""
        tool("find", self.registry.storage, "-mindepth", "1", "-delete")

    def inv(self, *argv: str) -> int:
        done = self.yard.inv(*argv, env=self.env)
        self.said = done.all
        return done.code

    def killed(self, proxy: Stalling, point: int, *argv: str) -> bool:
        """Kill a command when its request at `point` has arrived; False where it has fewer."""
        proxy.at, proxy.count = point, 0
        proxy.reached.clear()
        with self.yard.start(["inv", *argv], env=self.env) as child:

            def wait() -> None:
                child.communicate()
                proxy.reached.set()

            waiting = threading.Thread(target=wait)
            waiting.start()
            proxy.reached.wait(120)
            reached = child.poll() is None
            if reached:
                os.killpg(child.pid, signal.SIGKILL)
            waiting.join()
        proxy.at = 0
        return reached
