"""A registry in memory, under the real `Client`: the OCI distribution protocol without a socket.

It stands where urllib3's connections stand, so that the client's retries, back-off, credentials, digests and error
documents are the real ones. What it answers is what Debian's `docker-registry` answers to the same requests; the tests
in tests/contract/registry ask both.
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3
from imageyard.http.backoff import Policy
from imageyard.names import Reference
from imageyard.oci.manifests import DOCKER_LIST, OCI_INDEX, digest_of
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from support.registry.served import moving_clock

HOST = "registry.test"
_ROUTE = re.compile(r"/v2/(?P<repository>.+?)/(?P<what>manifests|blobs/uploads|blobs|tags|referrers)/(?P<name>[^/]*)")
_INDEXES = (OCI_INDEX, DOCKER_LIST)

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]


@dataclass
class _Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # media type, bytes
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Fault:
    """What is answered in place of the registry `times` times to requests whose `METHOD /path` matches `where`.

    `after`: the registry does what was asked, and only its answer is replaced, as where a connection breaks.
    """

    where: str
    status: int = 503
    times: int = 1
    headers: Headers = field(default_factory=dict)
    code: str = ""
    error: BaseException | None = None
    after: bool = False


@dataclass
class MemoryRegistry:
    """`requests` are the method and path of each request so far; `before` is called with them, and may raise.

    `has_referrers`: the referrers API is there. `immutable`: a tag stays with its first image. `deletes`: manifests
    can be deleted. `password`: only requests with it are answered.
    """

    host: str = HOST
    has_referrers: bool = True
    immutable: bool = False
    deletes: bool = True
    password: str = ""
    page: int = 1000
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda request: None

    def __post_init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.RLock()
        self._uploads = 0

    def client(self, *others: MemoryRegistry, **options: Any) -> Client:
        """A client whose network is this registry and `others`; its clock stands still but for its sleeps."""
        registries = {registry.host: registry for registry in (self, *others)}

        def make_pool(origin: str, ca: Path | None) -> Any:
            return registries[urlsplit(origin).netloc]

        passwords = {registry.host: registry.password for registry in (self, *others)}

        def credential(host: str) -> Credential | None:
            return Credential("user", passwords[host]) if passwords.get(host) else None

        given: dict[str, Any] = {"policy": Policy(attempts=3), "clock": moving_clock()[0], "credentials": credential}
        return Client(make_pool=make_pool, **(given | options))

    def reference(self, repository: str, tag: str | None = None) -> Reference:
        """Name a repository of this registry."""
        return Reference(self.host, repository, tag)

    def tags(self, repository: str) -> dict[str, str]:
        """What each tag of a repository names, without asking a client."""
        found = self._repositories.get(repository)
        return dict(found.tags) if found else {}

    def manifests(self, repository: str) -> set[str]:
        """The digests of a repository's manifests."""
        return set(self._repositories[repository].manifests) if repository in self._repositories else set()

    def lose(self, repository: str, digest: str) -> None:
        """Forget a blob or a manifest, as a storage that is damaged does."""
        kept = self._repositories[repository]
        kept.blobs.pop(digest, None)
        kept.manifests.pop(digest, None)

    def urlopen(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """See Pool."""
        split = urlsplit(url)
        path = f"{split.path}?{split.query}" if split.query else split.path
        request = f"{method} {path}"
        sent = {name.lower(): value for name, value in options["headers"].items()}
        with self._lock:
            self.requests.append(request)
            self.before(request)
            given = options["body"] or b""
            answer = partial(self._answer, method, split.path, split.query, sent, given)
            status, headers, body = self._faulty(request, answer)
        length = {"content-length": str(len(body))} if method != "HEAD" else {}
        content = b"" if method == "HEAD" else body
        return urllib3.HTTPResponse(
            io.BytesIO(content), {**length, **headers}, status, preload_content=False, request_method=method
        )

    def _faulty(self, request: str, answer: Callable[[], Answer]) -> Answer:
        for fault in self.faults:
            if fault.times and re.search(fault.where, request):
                fault.times -= 1
                if fault.after:
                    answer()
                if fault.error is not None:
                    raise fault.error
                body = _errors(fault.code, "a fault of the test") if fault.code else b""
                return fault.status, {"content-type": "application/json", **fault.headers}, body
        return answer()

    def _answer(self, method: str, path: str, query: str, sent: Mapping[str, str], body: bytes) -> Answer:
        if self.password:
            wanted = f"Basic {base64.b64encode(f'user:{self.password}'.encode()).decode()}"
            if sent.get("authorization") != wanted:
                return _refused(401, "UNAUTHORIZED", {"www-authenticate": 'Basic realm="memory"'})
        if path == "/v2/":
            return 200, _named(), b"{}"
        match = _ROUTE.fullmatch(path)
        if match is None:
            return 404, {"content-type": "text/plain"}, b"404 page not found\n"
        name, asked = match["repository"], {key: values[0] for key, values in parse_qs(query).items()}
        match match["what"]:
            case "manifests":
                return self._manifest(method, name, match["name"], sent, body)
            case "blobs":
                return self._blob(method, name, match["name"], sent)
            case "blobs/uploads":
                return self._upload(method, name, match["name"], asked, sent, body)
            case "tags":
                return self._tags(name, asked)
            case _:
                return self._referrers(name, match["name"])

    def _manifest(self, method: str, name: str, target: str, sent: Mapping[str, str], body: bytes) -> Answer:
        repository = self._repositories.get(name)
        if method == "PUT":
            return self._put(name, target, sent["content-type"], body)
        digest = target if ":" in target else repository.tags.get(target, "") if repository else ""
        if repository is None or digest not in repository.manifests:
            return _refused(404, "MANIFEST_UNKNOWN")
        if method == "DELETE":
            if not self.deletes:
                return _refused(405, "UNSUPPORTED")
            del repository.manifests[digest]
            repository.tags = {tag: named for tag, named in repository.tags.items() if named != digest}
            return 202, _named(), b""
        media_type, content = repository.manifests[digest]
        return 200, _named({"content-type": media_type, "docker-content-digest": digest}), content

    def _put(self, name: str, target: str, media_type: str, body: bytes) -> Answer:
        repository = self._repositories.setdefault(name, _Repository())
        digest = str(digest_of(body))
        if ":" in target and target != digest:
            return _refused(400, "DIGEST_INVALID")
        try:
            content = json.loads(body)
        except ValueError:
            return _refused(400, "MANIFEST_INVALID")
        if media_type in _INDEXES:
            if any(entry["digest"] not in repository.manifests for entry in content["manifests"]):
                return _refused(400, "MANIFEST_BLOB_UNKNOWN")
        elif any(entry["digest"] not in repository.blobs for entry in (content["config"], *content["layers"])):
            return _refused(400, "MANIFEST_BLOB_UNKNOWN")
        if ":" not in target:
            if self.immutable and repository.tags.get(target, digest) != digest:
                return _refused(409, "TAG_IMMUTABLE")
            repository.tags[target] = digest
        repository.manifests[digest] = (media_type, body)
        headers = {"docker-content-digest": digest, "location": f"/v2/{name}/manifests/{digest}"}
        if self.has_referrers and (subject := content.get("subject")):
            headers["oci-subject"] = subject["digest"]
        return 201, _named(headers), b""

    def _blob(self, method: str, name: str, digest: str, sent: Mapping[str, str]) -> Answer:
        repository = self._repositories.get(name)
        if repository is None or digest not in repository.blobs:
            return _refused(404, "BLOB_UNKNOWN")
        content = repository.blobs[digest]
        headers = _named({"content-type": "application/octet-stream", "docker-content-digest": digest})
        if method == "GET" and (asked := re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", sent.get("range", ""))):
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
            return 206, headers, content[first : last + 1]
        return 200, headers, content

    def _upload(
        self, method: str, name: str, session: str, asked: Mapping[str, str], sent: Mapping[str, str], body: bytes
    ) -> Answer:
        repository = self._repositories.setdefault(name, _Repository())
        if method == "POST":
            source = self._repositories.get(asked.get("from", ""))
            if source and (content := source.blobs.get(asked.get("mount", ""))) is not None:
                repository.blobs[asked["mount"]] = content
                return 201, _named({"docker-content-digest": asked["mount"]}), b""
            self._uploads += 1
            session = f"session-{self._uploads}"
            repository.uploads[session] = b""
        elif session not in repository.uploads:
            return _refused(404, "BLOB_UPLOAD_UNKNOWN")
        kept = repository.uploads[session]
        if method == "PUT":
            content = kept + body
            if digest_of(content) != asked["digest"]:
                return _refused(400, "DIGEST_INVALID")
            del repository.uploads[session]
            repository.blobs[asked["digest"]] = content
            return 201, _named({"docker-content-digest": asked["digest"]}), b""
        if method == "PATCH":
            first = int(sent["content-range"].partition("-")[0])
            if first != len(kept):
                return _refused(416, "RANGE_INVALID")
            kept = repository.uploads[session] = kept + body
        location = {"location": f"/v2/{name}/blobs/uploads/{session}", "range": f"0-{max(0, len(kept) - 1)}"}
        return (204 if method == "GET" else 202), _named(location), b""

    def _tags(self, name: str, asked: Mapping[str, str]) -> Answer:
        if name not in self._repositories:
            return _refused(404, "NAME_UNKNOWN")
        tags = [tag for tag in sorted(self._repositories[name].tags) if tag > asked.get("last", "")]
        most = min(int(asked.get("n", self.page)), self.page)
        more = tags[most:] != []
        link = {"link": f'</v2/{name}/tags/list?last={tags[most - 1]}&n={most}>; rel="next"'} if more else {}
        body = json.dumps({"name": name, "tags": tags[:most]}).encode()
        return 200, _named({"content-type": "application/json", **link}), body

    def _referrers(self, name: str, subject: str) -> Answer:
        if not self.has_referrers:
            return 404, {"content-type": "text/plain"}, b"404 page not found\n"
        repository = self._repositories.get(name, _Repository())
        entries = []
        for digest, (media_type, body) in repository.manifests.items():
            content = json.loads(body)
            if content.get("subject", {}).get("digest") != subject:
                continue
            entry: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": len(body)}
            entry["artifactType"] = content.get("artifactType") or content.get("config", {}).get("mediaType", "")
            if content.get("annotations"):
                entry["annotations"] = content["annotations"]
            entries.append(entry)
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        return 200, _named({"content-type": OCI_INDEX}), body


def _named(more: Headers | None = None) -> Headers:
    return {"docker-distribution-api-version": "registry/2.0", **(more or {})}


def _refused(status: int, code: str, headers: Headers | None = None) -> Answer:
    return status, _named({"content-type": "application/json", **(headers or {})}), _errors(code, "")


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}).encode()
