"""Where the page goes: a folder, or a bucket at S3. Each file is there whole, and the data before the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imageyard.bucket.objects import Bucket
from imageyard.errors import ConfigurationError
from imageyard.files import atomic_write, make_folder
from imageyard.keep.bucket_section import bucket_of
from imageyard.project.page_files import FILES

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.run.services import Services

__all__ = ["Site", "site_of", "write_files"]

_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8"}


class Site(Protocol):
    """A place for files; `name` is what a person calls it."""

    name: str

    def put(self, file: str, body: bytes) -> None:
        """Write a file in place of an earlier one, which is there until then. Raises what keeps it from that."""


class _Folder:
    def __init__(self, path: Path) -> None:
        make_folder(path)  # before minutes of reading, and not after them
        self.name = str(path)
        self._path = path

    def put(self, file: str, body: bytes) -> None:
        atomic_write(self._path / file, body)


class _BucketFolder:
    def __init__(self, bucket: Bucket) -> None:
        self.name = bucket.name
        self._bucket = bucket

    def put(self, file: str, body: bytes) -> None:
        self._bucket.replace(file, body, _TYPES[Path(file).suffix])


def site_of(to: str | None, catalogue: Catalogue, services: Services) -> Site:
    """The place that `to` names, `s3://BUCKET/PREFIX` or a folder, else that of the catalogue's section `page`.

    Region, endpoint and role are those of the section where it is about the same bucket. Raises ConfigurationError
    where neither names a place, EnvironmentLacks for a folder that cannot be made, Denied or Transient for the role.
    """
    section = catalogue.settings.get("page")
    known: Mapping[str, object] = section if isinstance(section, Mapping) else {}
    if to is None:
        if not known:
            raise ConfigurationError(
                "neither --to nor the catalogue says where the page goes",
                at=catalogue.file,
                hint=("inv page --to FOLDER", "or add to the catalogue: page: {bucket: NAME, region: REGION}"),
            )
        return _BucketFolder(bucket_of(known, services))
    if not to.startswith("s3://"):
        return _Folder(Path(to))
    name, _, prefix = to.removeprefix("s3://").partition("/")
    if not name:
        raise ConfigurationError(f"{to[:100]!r} names no bucket", hint="write: s3://BUCKET/PREFIX")
    settings = dict(known) if known.get("bucket") == name else {"bucket": name}
    return _BucketFolder(bucket_of({**settings, "prefix": prefix.strip("/")}, services))


def write_files(site: Site, bodies: Mapping[str, bytes]) -> None:
    """Write the files of the page, the data first. Raises what keeps one of them from being written."""
    for file in FILES:
        site.put(file, bodies[file])
