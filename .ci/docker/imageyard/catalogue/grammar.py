"""The catalogue's grammar in one table: decoding, the schema and the explanation all follow it."""

from __future__ import annotations

from imageyard.catalogue import scalars
from imageyard.catalogue.builder_sections import BUILDER_SECTIONS
from imageyard.catalogue.expectations.table import EXPECTATIONS
from imageyard.catalogue.forms import ARG, ARG_NAME, DURATION, FILLED, LANE_NAME, REPOSITORY, YES_NO, words
from imageyard.catalogue.kinds import Either, Field, ListOf, MapOf, RecordKind, Scalar
from imageyard.names import ARCHES

__all__ = ["ARGS", "CHECK", "FIELDS", "NAME", "TOP"]

NAME = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_LABEL = r"[a-z][a-z0-9_-]*"
_CHECK_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"

_TEXT = Scalar("text", scalars.free_text)
_FOLDER = Scalar("the path of a folder", scalars.repository_folder, fill=True, form={"type": "string"})
_FILE = Scalar("the path of a file", scalars.repository_file, fill=True, form={"type": "string"})
_ARG_VALUE = Scalar("the value of a build arg", scalars.parent_or_text, fill=True)
_BRANCH = Scalar("a branch or a pattern of branches", scalars.pattern(r"[A-Za-z0-9_.*/-]+", "a pattern of branches"))
_ARCH_NAME = Scalar("an architecture", scalars.arch, form={"enum": list(ARCHES)})


def _by_trust(what: str, value: Scalar, about: str) -> RecordKind:
    return RecordKind(
        what,
        {
            "trusted": Field(value, f"{about} of trusted runs", required=True),
            "branch": Field(value, f"{about} of runs at branch trust", required=True),
        },
    )


ARGS = MapOf(ARG, "the name of a build arg: letters, digits and '_'", _ARG_VALUE)

CHECK = RecordKind(
    "a check",
    {
        "run": Field(FILLED, "the command, split into words as a shell would and never given to one"),
        **{key: kind.field for key, kind in EXPECTATIONS.items()},
        "when": Field(ListOf(ARG_NAME), "args: the check applies only when one of them is set"),
    },
)

FACT = RecordKind("a fact", {key: CHECK.fields[key] for key in ("run", "when")})

SECRET = RecordKind(
    "a secret",
    {
        "source": Field(
            Scalar("env:NAME or file:PATH", scalars.secret_source, form={"type": "string", "pattern": "^(env|file):"}),
            "where its value is found when it is needed: env:NAME or file:PATH",
        ),
        "required": Field(YES_NO, "whether the build is refused without it; yes unless told"),
    },
)

_RUNNER = Either(
    FILLED,
    RecordKind(
        "runner",
        {
            "group": Field(FILLED, "the group that the runner is of"),
            "labels": Field(ListOf(FILLED), "labels, all of which the runner has"),
        },
    ),
    ListOf(FILLED),
)

_FIELDS: dict[str, Field] = {
    "dockerfile": Field(_FILE, "path of the Dockerfile, relative to the context; /PATH from the repository's top"),
    "context": Field(
        _FOLDER, "folder of the build context, relative to the catalogue's, or /PATH from the top; that one unless told"
    ),
    "files": Field(
        MapOf(
            r"[^\s/]+(/[^\s/]+)*",
            "the path in the context, without spaces",
            Scalar(
                "the path of a file or folder from the repository's top",
                scalars.top_path,
                fill=True,
                form={"type": "string", "pattern": "^/"},
            ),
        ),
        "files and folders from elsewhere, by the path that they get in the context; /PATH from the repository's top",
    ),
    "target": Field(FILLED, "the stage to build; the last one unless told"),
    "arches": Field(ListOf(_ARCH_NAME), "architectures, one row each; [amd64] unless told"),
    "args": Field(ARGS, "build args; image:NAME names a parent, file:/PATH the line of a file, ~ removes"),
    "checks": Field(
        MapOf(_CHECK_NAME, "the name of a check", CHECK), "commands that are run in the built image, by name"
    ),
    "facts": Field(
        MapOf(_CHECK_NAME, "the name of a fact", FACT),
        "commands whose output, as sorted lines, is kept in the row's record, by name",
    ),
    "tags": Field(
        ListOf(Scalar("a tag of Nox", scalars.pattern(r"[A-Za-z0-9_.-]+", "a tag of Nox"), fill=True)),
        "Nox tags beside the family and the arch",
    ),
    "secrets": Field(MapOf(r"[A-Za-z0-9_.-]+", "the id of a secret", SECRET), "BuildKit secrets, by id"),
    "contexts": Field(
        MapOf(
            r"[a-z0-9][A-Za-z0-9._:/-]*",
            "the name of a build context",
            Scalar("a folder or docker-image://REFERENCE", scalars.context_source, fill=True, form={"type": "string"}),
        ),
        "named build contexts: a folder under the context, /PATH from the top, or docker-image://REFERENCE",
    ),
    "timeout": Field(DURATION, "how long a build may take; 240m unless told"),
    "runner": Field(_RUNNER, "the CI runner: one label, a list of labels that it has, or {group, labels}"),
    "provenance": Field(words("off", "min", "max"), "the provenance attestation that BuildKit writes; off unless told"),
    "sbom": Field(YES_NO, "whether BuildKit attaches a bill of materials"),
    "reproducible": Field(YES_NO, "whether times are rewritten so that two builds are equal"),
    "unpinned": Field(words("allowed"), "lets an image be published whose sources are not all pinned"),
    "remote_checks": Field(YES_NO, "whether remote builders run the checks too"),
    "attempts": Field(
        Scalar("a whole number", scalars.count, form={"type": "integer", "minimum": 1, "maximum": 10}),
        "how often a build is run that failed or lost its builder, with a warm cache; 1 unless told",
    ),
    "epoch": Field(
        Scalar(
            "an epoch", scalars.pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "an epoch: letters, digits, '.', '_', '-'")
        ),
        "any word; a new one makes a new tag from the same inputs",
    ),
    "lane": Field(
        Scalar("the name of a lane", scalars.pattern(LANE_NAME, "the name of a lane")),
        "the lane of lanes.yml that it is of: published there, and nowhere else",
    ),
}

_OF_AN_ARCH = RecordKind(
    "an architecture's fields",
    {key: field for key, field in _FIELDS.items() if key not in ("arches", "tags", "lane")},
    removable=True,
)
_PER_ARCH = RecordKind("per_arch", {arch: Field(_OF_AN_ARCH, f"what differs on {arch}") for arch in ARCHES})

FIELDS: dict[str, Field] = {**_FIELDS, "per_arch": Field(_PER_ARCH, "fields that differ on one architecture")}
"""What may stand in defaults, at a family and at a name."""

_NAMED = RecordKind("a name's fields", FIELDS, removable=True)
_FAMILY = RecordKind(
    "a family",
    {
        **FIELDS,
        "names": Field(
            MapOf(r"[^\s]+", "a pattern of names, without spaces", _NAMED, bare=True, least=1),
            "patterns of image names, each with what differs for it",
            required=True,
        ),
    },
    removable=True,
)

_ROLE = Scalar(
    "the ARN of a role",
    scalars.pattern(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+", "the ARN of a role"),
    form={"type": "string", "pattern": "^arn:aws"},
)
_REGION = Scalar("a region", scalars.pattern(r"[a-z]{2}(-[a-z]+)+-[0-9]", "the name of an AWS region"))

_ECR = RecordKind(
    "ecr",
    {
        "role": Field(Either(_ROLE, _by_trust("ecr.role", _ROLE, "the role")), "the role to assume, one or by trust"),
        "region": Field(_REGION, "the region of the registry", required=True),
        "session": Field(
            Scalar("a session name", scalars.pattern(r"[A-Za-z0-9+=,.@_-]{2,64}", "a session name")),
            "the name of the session, as CloudTrail shows it; imageyard unless told",
        ),
        "duration": Field(DURATION, "how long the credentials last, 15m to 12h; 1h unless told"),
        "create": Field(YES_NO, "whether missing repositories are created"),
        "instance_profile": Field(YES_NO, "whether the machine's own role is asked for"),
    },
)
_CACHE = RecordKind(
    "cache",
    {
        "trusted": Field(REPOSITORY, "the repository of the caches that trusted runs write"),
        "branch": Field(REPOSITORY, "the repository of the caches that runs at branch trust write"),
        "gha": Field(YES_NO, "whether GitHub's own cache is used where its token is in reach"),
    },
)
_TAG_PATTERNS = ListOf(Scalar("a pattern of tags", scalars.pattern(r"[A-Za-z0-9_.*{},-]+", "a pattern of tags")))
_RETENTION = RecordKind(
    "retention",
    {
        "trusted": Field(
            DURATION, "how long content of no kept commit is kept in the trusted repository; 30d unless told"
        ),
        "branch": Field(DURATION, "how long it is kept in the branch repository; 14d unless told"),
        "versions": Field(DURATION, "how long images of another recipe version are kept; 90d unless told"),
        "cache": Field(DURATION, "how long an unused cache is kept; 7d unless told"),
        "weekly": Field(DURATION, "how long canaries are kept; 14d unless told"),
        "temporary": Field(DURATION, "how long temporary images, and those without a tag, are kept; 1d unless told"),
        "temporaries": Field(_TAG_PATTERNS, "patterns of tags that are temporary"),
        "pins": Field(_TAG_PATTERNS, "patterns of tags that are never deleted"),
        "branches": Field(ListOf(_BRANCH), "branches whose commits keep their images; those of protected unless told"),
        "window": Field(DURATION, "how far back these commits keep their images; 30d unless told"),
        "pulled": Field(DURATION, "how long a pull keeps an image, where the registry counts pulls; 14d unless told"),
        "grace": Field(DURATION, "how long a push keeps an image; 2h unless told"),
        "most": Field(
            Scalar("a number of manifests", scalars.pattern(r"[1-9][0-9]{0,8}", "a number of manifests")),
            "how many manifests of a repository may go in one run; 500 unless told",
        ),
        "share": Field(
            Scalar("a percentage", scalars.pattern(r"([1-9][0-9]?|100)%", "a percentage such as 50%")),
            "which part of a repository may go in one run; 50% unless told",
        ),
        "backed_up": Field(
            ListOf(Scalar("content", scalars.backed_up_class, form={"enum": ["content"]})),
            "classes of images that go only when they are backed up",
        ),
    },
)


def _in_bucket(bucket: str, role: str) -> dict[str, Field]:
    """The fields that say where in S3 something is kept: what the bucket and the role are for."""
    url = scalars.pattern(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", "the URL of a service: https://HOST[:PORT]")
    name = scalars.pattern(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")
    return {
        "bucket": Field(Scalar("a bucket", name), bucket, required=True),
        "prefix": Field(Scalar("a prefix", scalars.relative_path), "the folder in the bucket"),
        "region": Field(_REGION, "the region of the bucket"),
        "endpoint": Field(
            Scalar("the URL of a service", url, form={"type": "string", "pattern": "^https?://"}),
            "a service that speaks S3's protocol elsewhere than at AWS: https://HOST[:PORT]",
        ),
        "role": Field(_ROLE, f"the role that a job takes, which may {role}"),
    }


_BACKUP = RecordKind(
    "backup",
    {
        **_in_bucket("the bucket that images and records are copied to", "read and write the bucket"),
        "lifetime": Field(DURATION, "how long a backup is kept that is not made again; 30d unless told"),
    },
)
_PAGE = RecordKind("page", _in_bucket("the bucket that the page is written to", "read images and write the page"))
_REGISTRY = Either(REPOSITORY, _by_trust("registry", REPOSITORY, "the repository"))
_AXES = MapOf(
    r"[a-z][a-z0-9_]*",
    "the name of an axis: lower-case letters, digits and '_'",
    MapOf(r"[^\s]+", "a word, without spaces", ARGS, bare=True, removable=True, least=1),
)

TOP = RecordKind(
    "the catalogue",
    {
        "prefix": Field(Scalar("a prefix", scalars.pattern(r"[a-z0-9][a-z0-9._-]*", "a prefix of names")),
                        "stands before every name"),
        "registry": Field(_REGISTRY, "where images are published, one repository or by trust"),
        "mirrors": Field(ListOf(REPOSITORY), "repositories that get a copy"),
        "tag": Field(words("content", "tree"), "what a tag is computed from; content unless told"),
        "builders": Field(
            RecordKind(
                "builders",
                {name: Field(section.kind, section.about) for name, section in BUILDER_SECTIONS.items()},
            ),
            "builders beside the local one",
        ),
        "cache": Field(_CACHE, "repositories of layer caches"),
        "ecr": Field(_ECR, "how to log in at ECR"),
        "ghcr": Field(
            RecordKind("ghcr", {"user": Field(_TEXT, "the user that the token belongs to", required=True)}),
            "how to log in at GHCR",
        ),
        "protected": Field(ListOf(_BRANCH), "branches that are trusted; [main] unless told"),
        "retention": Field(_RETENTION, "how long things are kept"),
        "backup": Field(_BACKUP, "where copies go"),
        "page": Field(_PAGE, "where the page of all images goes"),
        "defaults": Field(RecordKind("defaults", FIELDS), "fields of every image"),
        "axes": Field(_AXES, "every word of every name, and the build args it stands for"),
        "images": Field(
            MapOf(_LABEL, "the name of a family", _FAMILY, least=1), "families of images", required=True
        ),
    },
)  # fmt: skip
