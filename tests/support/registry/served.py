"""Real registries on free ports of this machine: open, behind a password, and with a certificate of a throw-away CA."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from imageyard.errors import Denied, Transient
from imageyard.http.backoff import Clock, Policy
from imageyard.names import Digest, Reference, State, Unknown
from imageyard.oci.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.upload import push_bytes
from support.child_server import listening

USER, PASSWORD = "ci-user", "correct horse battery"


def unknown(state: State) -> tuple[type[Denied | Transient], str]:
    """Whether a state that is not known is a refusal or a failure, and the place's words."""
    assert isinstance(state, Unknown), state
    return Denied if isinstance(state.error, Denied) else Transient, state.why


@dataclass(frozen=True)
class Served:
    """A registry that runs: `HOST:PORT`, its storage, and the CA of its certificate."""

    host: str
    storage: Path
    ca: Path | None = None
    credential: Credential | None = None

    def reference(self, repository: str, tag: str | None = None) -> Reference:
        return Reference(self.host, repository, tag)

    def client(self, **options: object) -> Client:
        """A client that knows this registry's credential and CA, and reads no configuration of the machine's user."""
        given = {"credentials": lambda _: self.credential, "ca": self.ca, "policy": Policy(attempts=2), **options}
        return Client(**given)  # type: ignore[arg-type]


def serve(folder: Path, *, auth: bool = False, tls: bool = False) -> Iterator[Served]:
    """Run Debian's `docker-registry` until the generator is closed."""
    for program in ("docker-registry", *(["openssl"] if tls else []), *(["htpasswd"] if auth else [])):
        if shutil.which(program) is None:
            lacking(program)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "version: 0.1",
        "log: {level: info, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}",
        "http:",
        "  addr: 127.0.0.1:0",
        "  secret: only-for-tests",
    ]
    if tls:
        certificate(folder)
        lines.append(f"  tls: {{certificate: {folder}/leaf.pem, key: {folder}/leaf.key}}")
    if auth:
        done = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True)
        (folder / "htpasswd").write_bytes(done.stdout)
        lines.append(f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}")
    (folder / "config.yml").write_text("\n".join(lines) + "\n")
    argv = ["docker-registry", "serve", str(folder / "config.yml")]
    with listening(argv, r"listening on (127\.0\.0\.1:[0-9]+)") as host:
        ca, credential = folder / "ca.pem" if tls else None, Credential(USER, PASSWORD) if auth else None
        yield Served(host, folder / "data", ca, credential)


def collected(registry: Served, *options: str) -> None:
    """Have the registry's own tool remove the blobs that nothing refers to."""
    config = registry.storage.parent / "config.yml"
    subprocess.run(["docker-registry", "garbage-collect", *options, str(config)], check=True, capture_output=True)


def certificate(folder: Path) -> None:
    """`ca.pem`, and `leaf.pem` with `leaf.key` for 127.0.0.1, signed by it."""
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    ca = ["-subj", "/CN=throw-away CA", "-keyout", "ca.key", "-out", "ca.pem"]
    leaf = ["-subj", "/CN=registry", "-keyout", "leaf.key", "-out", "leaf.pem", "-CA", "ca.pem", "-CAkey", "ca.key"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    for command in ([*new, *ca], [*new, *leaf, *names]):
        subprocess.run(command, check=True, capture_output=True, cwd=folder)


def moving_clock(chance: float = 1.0) -> tuple[Clock, list[float]]:
    """A clock that stands still but for its sleeps, and the list of these."""
    slept: list[float] = []
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    def passed() -> float:
        with lock:
            return sum(slept)

    return Clock(lambda: 1000.0 + passed(), lambda: 1.7e9 + passed(), sleep, lambda: chance), slept


def put_image(
    client: Client, repository: Reference, *, docker: bool = False, note: str = "", **config: object
) -> Digest:
    """An image without layers but one, pushed by digest; `config`: os, architecture, variant, config."""
    family = "application/vnd.docker." if docker else "application/vnd.oci.image."
    content = json.dumps({"os": "linux", "architecture": "amd64", **config, "note": note, "rootfs": {}}).encode()
    layer = f"layer {note}".encode()
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": {
                "mediaType": f"{family}{'container.image' if docker else 'config'}.v1+json",
                "digest": push_bytes(client, repository, content),
                "size": len(content),
            },
            "layers": [
                {
                    "mediaType": f"{family}{'image.rootfs.diff.tar.gzip' if docker else 'layer.v1.tar'}",
                    "digest": push_bytes(client, repository, layer),
                    "size": len(layer),
                }
            ],
        }
    ).encode()
    digest = digest_of(body)
    return client.put(repository.with_digest(digest), body, DOCKER_MANIFEST if docker else OCI_MANIFEST)


def put_index(
    client: Client, reference: Reference, children: dict[Digest, dict[str, object]], *, docker: bool = False
) -> Digest:
    """An index of manifests that are there; `children`: what each descriptor says beside digest and size."""
    entries = []
    for digest, more in children.items():
        raw = client.get(reference.with_digest(digest))
        entries.append({"mediaType": raw.media_type, "digest": digest, "size": len(raw.body), **more})
    media_type = DOCKER_LIST if docker else OCI_INDEX
    body = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    return client.put(reference, body, media_type)


def platform(architecture: str) -> dict[str, object]:
    return {"platform": {"os": "linux", "architecture": architecture}}


def lacking(program: str) -> NoReturn:
    """Skip the test where a program is missing; in CI that is a failure: there it would be skipped for ever."""
    why = f"{program} is not installed (nox -s install_test_tools)"
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def tool(*argv: object, env: dict[str, str] | None = None, say: str = "") -> str:
    """What another client says of the same thing."""
    if shutil.which(str(argv[0])) is None:
        lacking(str(argv[0]))
    variables = {**os.environ, **(env or {})}
    done = subprocess.run(
        [str(arg) for arg in argv], capture_output=True, check=True, input=say.encode(), env=variables
    )
    return done.stdout.decode().strip()
