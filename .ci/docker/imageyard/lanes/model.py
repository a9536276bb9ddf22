"""What a catalogue of lanes says, decoded, and all that is derived from it: prefixes, roles, repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from imageyard.catalogue.lane_images import lane_repository, lane_role, partition_of, role_arn
from imageyard.catalogue.model import Where
from imageyard.catalogue.suggest import did_you_mean
from imageyard.ci.providers.base import Home
from imageyard.errors import ConfigurationError
from imageyard.lanes.channels import Channel, ChannelName
from imageyard.lanes.signatures import PublicKey
from imageyard.names import Reference

__all__ = [
    "STATE_TAG",
    "WITHDRAWN",
    "Lane",
    "LaneActivity",
    "LaneCatalogue",
    "LaneKey",
    "RoleJob",
]

STATE_TAG = "imageyard-state"
WITHDRAWN = "withdrawn"
"""The tag and its value of a published file that nobody may download: its name stays taken, and its bytes are kept."""

LaneActivity: TypeAlias = Literal["active", "suspended"]


@dataclass(frozen=True)
class RoleJob:
    """Jobs that may take a role.

    `workflow` is OWNER/NAME/PATH@REF, the file that the job is of; `environment` is one of the repository that runs it.
    """

    workflow: str
    environment: str


@dataclass(frozen=True)
class LaneKey:
    """A key that signs the provenance of a lane's files.

    `until`, in UTC, is when it was no longer used: what the bucket had before then counts, and nothing later. None:
    it is in use. `repository` and `workflow` are what provenance of this key says, today's unless told.
    """

    name: str
    public: PublicKey
    until: datetime | None
    repository: str
    workflow: str


@dataclass(frozen=True)
class Lane:
    """A vendor: `repository` is OWNER/NAME, `number` what GitHub numbers it by, None where nobody said it.

    `packages` are in their normal form, and so are `tracks`, those of them that extend a project of the main index.
    `quota` is what its channels may have together, in bytes.
    """

    name: str
    repository: str
    number: str | None
    packages: tuple[str, ...]
    job: RoleJob
    quota: int
    contacts: tuple[str, ...]
    state: LaneActivity
    where: Where
    tracks: tuple[str, ...] = ()
    keys: tuple[LaneKey, ...] = ()

    @property
    def is_suspended(self) -> bool:
        """Whether nobody may publish in it; its files stay."""
        return self.state == "suspended"

    def publisher(self) -> Home:
        """The repository whose jobs publish. Raises ConfigurationError where nobody said its number.

        By name alone, whoever makes a repository of this name after it was deleted or renamed would publish here.
        """
        if self.number is None:
            raise ConfigurationError(
                f"nobody said the number of {self.repository}",
                doing=f"saying who may publish in the lane {self.name}",
                at=self.where,
                hint=(
                    f"gh api repos/{self.repository} --jq .id    (the number)",
                    f"write: {self.name}: {self.repository}@NUMBER",
                ),
            )
        return Home(self.repository, self.number)


@dataclass(frozen=True)
class LaneCatalogue:
    """All lanes of a bucket.

    `roles` is what the names of all roles begin with. `price` is what a GiB costs in a month. `images` is where the
    repositories of images are, None where lanes publish none. `main_index` is the URL of the index that lanes extend;
    `distribution` the ARN of the CloudFront distribution that hands out files and indexes. `files_url` is the URL below
    which `files/` is served, empty where it is beside `index/`.
    """

    file: str
    bucket: str
    region: str
    account: str
    roles: str
    centre: Home
    indexer: RoleJob
    purge: RoleJob
    price: Decimal | None
    channels: Mapping[ChannelName, Channel]
    images: Reference | None
    main_index: str | None
    distribution: str | None
    lanes: Mapping[str, Lane]
    files_url: str = ""

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in."""
        return partition_of(self.region)

    @property
    def indexer_role(self) -> str:
        """The name of the role that writes indexes."""
        return f"{self.roles}-indexer"

    @property
    def purge_role(self) -> str:
        """The name of the role that deletes files for good."""
        return f"{self.roles}-purge"

    def role_of(self, name: str) -> str:
        """The name of the role of a lane; no lane can be named so that it is that of the indexer or of the purge."""
        return lane_role(self.roles, name)

    def role_arn(self, role: str) -> str:
        """A role as IAM names it."""
        return role_arn(self.region, self.account, role)

    def bucket_arn(self, pattern: str | None = None) -> str:
        """The bucket as IAM names it, or its objects whose keys a pattern matches."""
        arn = f"arn:{self.partition}:s3:::{self.bucket}"
        return arn if pattern is None else f"{arn}/{pattern}"

    def image_repository(self, lane: Lane) -> Reference | None:
        """The repository of a lane's images, None where lanes publish none."""
        return self._repository(lane, "images")

    def cache_repository(self, lane: Lane) -> Reference | None:
        """The repository of the layer caches of a lane's images, None where lanes publish none."""
        return self._repository(lane, "cache")

    def lane(self, name: str) -> Lane:
        """One lane by name. Raises ConfigurationError where there is none."""
        if name not in self.lanes:
            raise ConfigurationError(
                f"there is no lane {name[:100]!r}", at=self.file, hint=did_you_mean(name, self.lanes)
            )
        return self.lanes[name]

    def _repository(self, lane: Lane, ending: str) -> Reference | None:
        if self.images is None:
            return None
        return Reference(self.images.registry, lane_repository(self.images.repository, lane.name, ending))
