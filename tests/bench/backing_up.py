"""A backup and a recovery against `skopeo copy` of the same images, and what is stored against archives of them."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.project.checkout import Checkout
from imageyard.project.project import load_project
from imageyard.project.recipes import recipes_of
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from measure import MB, Ratio, compare
from running import installed
from support.aws.bucket import KEYS, REGION
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.child_server import listening
from support.registry.served import Served, platform, put_index, serve

__all__ = ["backing_up", "publish"]

_SHARED, _OWN = 160 * MB, 8 * MB
"""Bytes of a layer that all rows of an architecture share, and of one that each row has."""
_ARCHES = ("amd64", "arm64")
_AUTHOR = ("-c", "user.name=Bench", "-c", "user.email=bench@example.invalid")
_TASKS = "from imageyard.cli import namespace\n\nns = namespace()\n"


def backing_up(folder: Path) -> list[Ratio]:
    """Four images of two rows each, at a registry of this machine; S3 is the stand-in of the tests, in a process.

    oras 1.2 has no `backup`. Raises EnvironmentLacks where the machine lacks what it takes.
    """
    installed("docker-registry", "skopeo")
    server = [sys.executable, "-c", _SERVER]
    with _registry(folder / "registry") as registry, listening(server, r"listening on (127\.0\.0\.1:[0-9]+)") as s3:
        work = _checkout(folder / "checkout", registry, s3)
        # In another process: what a parent once had in memory counts as its children's, too (getrusage(2), ru_maxrss).
        publish = "import sys, backing_up; backing_up.publish(*sys.argv[1:])"
        argv = [sys.executable, "-c", publish, str(folder / "checkout"), registry.host, str(registry.storage)]
        subprocess.run(argv, cwd=Path(__file__).parent, check=True)
        tags = [work.facts(name, arch).tag for name in work.project.catalogue.images for arch in _ARCHES]
        tags += [work.recipes.index_tag(image) for image in work.project.catalogue.images.values()]
        places = [registry.reference("ci/image", tag) for tag in tags]
        return [*_times(folder, registry, s3, places), *_sizes(folder, s3, places)]


_SERVER = f"""\
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.aws.memory_s3 import serve_one
serve_one("bench")
"""


@contextmanager
def _registry(folder: Path) -> Iterator[Served]:
    running = serve(folder)
    try:
        yield next(running)
    finally:
        running.close()


def _checkout(top: Path, registry: Served, s3: str) -> Workplace:
    top.mkdir()
    section = f"backup: {{bucket: bench, region: {REGION}, endpoint: 'http://{s3}'}}\n"
    work = scene_of(top, **{"images.yml": CATALOGUE.replace("registry.test", registry.host) + section})
    (top / "tasks.py").write_text(_TASKS)
    (top / ".gitignore").write_text(".imageyard/\n")
    for argv in (["add", "--all"], [*_AUTHOR, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(top), *argv], check=True)
    return work


def publish(top: str, host: str, storage: str) -> None:
    """Publish all rows and the images over them."""
    registry = Served(host, Path(storage))
    project = load_project(Checkout(Path(top) / "images.yml", Path(top)))
    recipes = recipes_of(project)
    client, place = registry.client(), registry.reference("ci/image")
    chance = random.Random(1)
    shared = {arch: _layer(chance, _SHARED) for arch in _ARCHES}
    for name, image in project.catalogue.images.items():
        entries = {}
        for arch in _ARCHES:
            row = place.with_tag(recipes.tag(project.row(name, arch)))
            entries[_push(client, row, arch, [shared[arch], _layer(chance, _OWN)])] = platform(arch)
        put_index(client, place.with_tag(recipes.index_tag(image)), entries)


def _layer(chance: random.Random, size: int) -> tuple[bytes, bytes]:
    """A tar with a file that does not get smaller, plain and packed."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        file = tarfile.TarInfo("file")
        file.size = size
        tar.addfile(file, io.BytesIO(chance.randbytes(size)))
    return plain.getvalue(), gzip.compress(plain.getvalue(), 1, mtime=0)


def _push(client: Client, place: Reference, arch: str, layers: list[tuple[bytes, bytes]]) -> Digest:
    kind = "application/vnd.oci.image."
    rootfs = {"type": "layers", "diff_ids": [digest_of(plain) for plain, _ in layers]}
    config = json.dumps({"os": "linux", "architecture": arch, "config": {}, "rootfs": rootfs}).encode()
    parts = [(f"{kind}config.v1+json", config), *((f"{kind}layer.v1.tar+gzip", packed) for _, packed in layers)]
    entries = [{"mediaType": t, "digest": push_bytes(client, place, body), "size": len(body)} for t, body in parts]
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
    return client.put(place, json.dumps(manifest).encode(), OCI_MANIFEST)


def _times(folder: Path, registry: Served, s3: str, places: list[Reference]) -> list[Ratio]:
    """A backup to an empty bucket and a recovery to an empty registry, each against skopeo and an empty layout."""
    top, layout = folder / "checkout", folder / "layout"
    env = {"AWS_ACCESS_KEY_ID": KEYS.id, "AWS_SECRET_ACCESS_KEY": KEYS.secret}
    ours = [str(Path(sys.executable).parent / "inv")]
    catalogue = ["--catalogue", "images.yml"]
    save = [*ours, "backup", *catalogue]
    bring = [*ours, "recover", "*", "--yes", *catalogue]
    out = " && ".join(f"skopeo copy -q --all --src-tls-verify=false docker://{p} oci:{layout}:{p.tag}" for p in places)
    back = " && ".join(
        f"skopeo copy -q --all --dest-tls-verify=false oci:{layout}:{p.tag} docker://{p}" for p in places
    )

    def fresh(*what: Callable[[], None]) -> Callable[[], None]:
        return lambda: [each() for each in what] and None

    saving = compare(
        "backup, against skopeo copy to a layout",
        (save, top),
        (["sh", "-c", f"rm -rf {layout} && {out}"], folder),
        mark=1.0,
        runs=3,
        env=env,
        before=fresh(lambda: _empty_bucket(s3)),
        peak_mark=_SHARED,
    )
    empty = fresh(lambda: _empty_registry(registry))
    bringing = compare(
        "recovery, against skopeo copy from a layout",
        (bring, top),
        (["sh", "-c", back], folder),
        mark=1.0,
        runs=3,
        env=env,
        before=empty,
        before_peer=empty,
        peak_mark=_SHARED,
    )
    return [saving, bringing]


def _empty_bucket(s3: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"http://{s3}/bench", method="DELETE")).close()


def _empty_registry(registry: Served) -> None:
    subprocess.run(["find", str(registry.storage), "-mindepth", "1", "-delete"], check=True)


def _sizes(folder: Path, s3: str, places: list[Reference]) -> list[Ratio]:
    """Bytes in the bucket, in archives as `docker save` writes them, in a folder for each, and in one layout."""
    with urllib.request.urlopen(f"http://{s3}/bench?size") as answer:
        bucket = int(answer.read())
    archives = sum(_copied(p, ["--override-arch=amd64"], folder / "archive", "docker-archive:") for p in places)
    folders = sum(_copied(p, ["--all"], folder / "folder", "dir:") for p in places)
    layout = sum(file.stat().st_size for file in (folder / "layout").rglob("*") if file.is_file())
    return [
        Ratio(f"stored, against {what}", bucket / MB, peer / MB, mark, 1, unit="MB")
        for what, peer, mark in (
            ("docker archives", archives, 1.0),
            ("a folder for each image", folders, 1.0),
            ("one layout", layout, 1.01),
        )
    ]


def _copied(place: Reference, options: list[str], target: Path, kind: str) -> int:
    """The bytes that skopeo writes for an image."""
    argv = ["skopeo", "copy", "-q", "--src-tls-verify=false", *options, f"docker://{place}", f"{kind}{target}"]
    subprocess.run(argv, check=True, env=os.environ, stdout=subprocess.DEVNULL)
    files = [target] if target.is_file() else [file for file in target.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    subprocess.run(["rm", "-rf", str(target)], check=True)
    return size
