"""`lanes.yml`: one line is a vendor, all else is derived, and what cannot be meant is refused with file and line."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.lanes import document
from imageyard.lanes.channels import NIGHTLY, STABLE
from imageyard.lanes.grammar import workflow_repository
from imageyard.lanes.index_pages import files_base
from imageyard.lanes.lane_rules import lane_channel
from imageyard.lanes.model import RoleJob
from imageyard.lanes.places import index_prefix, lane_prefix, requests_prefix
from imageyard.lanes.standard import normal_name
from support.lanes.catalogues import HEAD, LANES, UPLOAD, of

ONE = f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n"


def test_one_line_is_a_vendor() -> None:
    found = of(ONE)
    lane = found.lane("acme")
    assert (lane.repository, lane.number, lane.packages) == ("acme-ai/torch-acme", "812345678", ("torch-acme",))
    assert lane.job == RoleJob(UPLOAD, "lane-upload")
    assert (lane.quota, lane.contacts, lane.state) == (50 * 2**30, (), "active")
    assert found.role_arn(found.role_of("acme")) == "arn:aws:iam::123456789012:role/wheels-lane-acme"
    assert str(found.image_repository(lane)).endswith("/lanes/acme/images")
    assert str(found.cache_repository(lane)).endswith("/lanes/acme/cache")


def test_the_long_form() -> None:
    lane = of().lane("globex")
    assert (lane.repository, lane.number) == ("globex/plugin", "4711")
    assert lane.packages == ("torch-globex", "globex-kernels")
    assert lane.job == RoleJob(UPLOAD, "publish")
    assert (lane.quota, lane.contacts) == (2 * 2**40, ("wheels@globex.example",))
    assert of().lane("initech").is_suspended


def test_the_top() -> None:
    found = of(f"{ONE}channels: {{nightly: {{keep: 7, provenance: optional}}, stable: {{provenance: required}}}}\n")
    assert found.price == Decimal("0.023")
    assert found.channels == {"nightly": replace(NIGHTLY, keep=7), "stable": replace(STABLE, provenance="required")}
    assert of(ONE).channels == {"nightly": NIGHTLY, "stable": STABLE}
    assert found.main_index == "https://wheels.example.org/simple/"
    assert found.indexer == RoleJob(UPLOAD.replace("upload", "index"), "lane-index")
    assert found.purge == RoleJob(UPLOAD.replace("upload", "purge"), "lane-purge")
    other = of(f"{ONE}purge: {{environment: two-people}}\nindexer: {{workflow: {UPLOAD}}}\n")
    assert other.purge == RoleJob(UPLOAD.replace("upload", "purge"), "two-people")
    assert other.indexer == RoleJob(UPLOAD, "lane-index")


def test_without_a_registry_lanes_have_no_images() -> None:
    text = "\n".join(line for line in ONE.splitlines() if not line.startswith("images:"))
    assert of(text).image_repository(of(text).lane("acme")) is None


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_that_of_the_region(region: str, partition: str) -> None:
    assert of(ONE.replace("region: us-east-1", f"region: {region}")).partition == partition


@pytest.mark.parametrize(
    ("text", "normal"), [("Torch_Acme", "torch-acme"), ("torch..acme", "torch-acme"), ("a-_.b", "a-b"), ("x", "x")]
)
def test_names_of_packages_have_one_form(text: str, normal: str) -> None:
    """PEP 503, "Normalized Names"."""
    assert normal_name(text) == normal


LANE_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3}){0,2}", fullmatch=True)


@given(st.lists(LANE_NAMES, min_size=2, max_size=5, unique=True))
def test_no_lane_shares_a_prefix_with_another(names: list[str]) -> None:
    """Whatever they are called: neither files, requests, indexes, roles nor repositories of one are of another."""
    found = of(HEAD + "lanes:\n" + "".join(f'  "{name}": o/{name}@{n + 1}\n' for n, name in enumerate(names)))
    for one, other in permutations(found.lanes.values(), 2):
        for place in (lane_prefix, requests_prefix):
            assert not place(one.name).startswith(place(other.name))
        assert not index_prefix(one.name, "stable").startswith(index_prefix(other.name, "stable"))
        assert found.role_of(one.name) != found.role_of(other.name)
        assert found.image_repository(one) != found.cache_repository(other)
        assert {found.indexer_role, found.purge_role}.isdisjoint({found.role_of(one.name)})


@pytest.mark.parametrize(
    ("lane", "packages", "local"),
    [
        ("acme", ("torch-acme",), "acme"),
        ("acme-evil", ("torch-acme-evil",), "acme.evil"),
        ("globex", ("torch-globex", "globex-kernels"), "globex"),
    ],
)
def test_the_rules_of_a_channel(lane: str, packages: tuple[str, ...], local: str) -> None:
    found = of()
    rules = lane_channel(found, lane, "nightly")
    assert (rules.lane, rules.channel, rules.quota) == (lane, NIGHTLY, found.lane(lane).quota)
    assert (rules.wheels.packages, rules.wheels.local) == (packages, local)
    assert (rules.tracks, rules.files_url) == ({}, "")
    assert rules.other_channels == (STABLE,)
    with pytest.raises(ConfigurationError, match="no lane"):
        lane_channel(found, "hooli", "stable")


def test_a_lane_extends_those_projects_of_the_main_index_that_it_names() -> None:
    """And no other: a name that the main index does not have could be taken there by somebody else."""
    text = LANES.replace("packages: [torch-globex,", "tracks: [Globex_Kernels]\n    packages: [torch-globex,")
    rules = lane_channel(of(text), "globex", "stable")
    assert rules.tracks == {"globex-kernels": ("https://wheels.example.org/simple/globex-kernels/",)}


def test_files_can_be_served_elsewhere() -> None:
    rules = lane_channel(of(f"{ONE}files: https://files.example.org/w/\n"), "acme", "nightly")
    assert files_base(rules) == "https://files.example.org/w/files/acme/nightly/"


def test_no_lane_has_the_folder_of_the_centres_requests() -> None:
    with pytest.raises(ConfigurationError, match="no lane is called centre"):
        of(HEAD + "lanes: {centre: o/x@1}\n")


BAD_NAMES = ["Acme", "-acme", "acme-", "ac--me", "ac_me", "ac/me", "ac.me", "..", "1acme", "ac%2fme", "ac*", "acme é"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_of_lanes_are_strict(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of a lane") as refused:
        of(f'{HEAD}lanes:\n  "{name}": o/r@1\n')
    assert refused.value.at == "lanes.yml:14:3"


def edited(old: str, new: str, text: str = ONE) -> str:
    assert old in text
    return text.replace(old, new)


REFUSED = [
    (edited("quota:", "quotas:"), "unknown key 'quotas'", "did you mean 'quota'?", "8:1"),
    (f"{HEAD}lanes:\n  acme: {{repositry: o/r@1}}\n", "unknown key 'repositry'", "did you mean 'repository'?", "14:10"),
    (f"{ONE}  other: {{repository: o/r@1, packages: [Torch.Acme]}}\n", "two lanes claim the package", "14:3", "15:3"),
    (f"{ONE}  other: Acme-AI/Torch-Acme@812345678\n", "two lanes claim the package", "14:3", "15:3"),
    (f"{ONE}  other: {{repository: acme-ai/Torch-ACME, packages: [x]}}\n", "two lanes have the repo", "14:3", "15:3"),
    (f"{ONE}  other: other/name@812345678\n", "two lanes have the repository", "could not be told apart", "15:3"),
    (f"{ONE}  acme: other/name@7\n", "stands twice", "14:3", "15:3"),
    (f"{HEAD}lanes:\n  acme: acme-ai\n", "is not a repository", "OWNER/NAME@NUMBER", "14:9"),
    (f"{HEAD}lanes:\n  acme: acme-ai/*@1\n", "is not a repository", "OWNER/NAME@NUMBER", "14:9"),
    (f"{HEAD}lanes:\n  acme: acme-ai/..@1\n", "is not a repository", "OWNER/NAME@NUMBER", "14:9"),
    (f"{HEAD}lanes:\n  acme: acme-ai/x@0\n", "is not a repository", "OWNER/NAME@NUMBER", "14:9"),
    (
        f"{HEAD}lanes:\n  acme: {{repository: o/r@1, repository_id: 2}}\n",
        "two numbers, 1 and 2",
        "one of the two",
        "14:29",
    ),
    (f"{HEAD}lanes:\n  acme: o/_@1\n", "no package can have the name", "packages: [NAME]", "14:3"),
    (f"{HEAD}lanes:\n  acme: {{repository: o/r@1, state: gone}}\n", "not one of active, suspended", "", "14:36"),
    (f"{HEAD}lanes:\n  {'a' * 60}: o/r@1\n", "longer than 64 characters", "shorten", "14:3"),
    (edited("centre: example/main@1001", "centre: example/main"), "nobody said the number", "gh api repos", "5:9"),
    (edited("@refs/heads/main", "@main"), "not a whole ref", "@refs/heads/main", "6:11"),
    (edited("@refs/heads/main", "@refs/heads/*"), "is not a workflow", "PATH.yml@", "6:11"),
    (edited("workflow: example/main/", "workflow: acme-ai/own/"), "not of the centre", "a workflow of", "6:11"),
    (
        f"{HEAD}lanes:\n  acme: {{repository: o/r@1, workflow: {UPLOAD.replace('example', 'o')}}}\n",
        "is of o/main, and not of the centre",
        "decides what is published",
        "14:39",
    ),
    (f"{ONE}purge: {{workflow: o/r/p.yml@refs/heads/main}}\n", "not of the centre", "a workflow of", "15:19"),
    (edited("50GiB", "50GB"), "is not a size", "50GiB", "8:8"),
    (edited("50GiB", "0GiB"), "is not a size", "50GiB", "8:8"),
    (edited("0.023", "-1"), "is not a price", "0.023", "9:8"),
    (edited('"123456789012"', "12345"), "twelve digits", "", "3:10"),
    (edited("https://wheels", "http://wheels"), "https://HOST/PATH/", "", "11:8"),
    (edited("environment: lane-upload\n", ""), "needs the key 'environment'", "environment of upload jobs", "1:1"),
    (f"{ONE}files: http://files.example.org/\n", "https://HOST/PATH/", "", "15:8"),
    (f"{HEAD}lanes:\n  acme: {{repository: o/r@1, tracks: [x]}}\n", "does not publish x", "name one of r", "14:29"),
    (
        f"{HEAD.replace('index: ', '# ')}lanes:\n  acme: {{repository: o/r@1, tracks: [r]}}\n",
        "no main index to track",
        "index: URL",
        "14:29",
    ),
    ("", "the file is empty", "begin with: bucket:", ""),
    ("- a\n", "this is a list", "begin with: bucket:", "1:1"),
]


@pytest.mark.parametrize(("text", "headline", "hint", "at"), REFUSED)
def test_what_is_refused(text: str, headline: str, hint: str, at: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        of(text)
    assert headline in refused.value.headline
    assert hint in " ".join(refused.value.hint)
    assert refused.value.at == f"lanes.yml:{at}".rstrip(":")


def test_a_lane_without_a_number_can_be_read_and_gives_nobody_a_role() -> None:
    """A person writes the line first; who then makes a repository of that name must not get in."""
    lane = of(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme\n").lane("acme")
    assert lane.packages == ("torch-acme",)
    with pytest.raises(ConfigurationError, match="number of acme-ai/torch-acme") as refused:
        lane.publisher()
    assert refused.value.at == "lanes.yml:14:3"
    assert "write: acme: acme-ai/torch-acme@NUMBER" in refused.value.hint


def test_a_lane_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="no lane 'acne'") as refused:
        of().lane("acne")
    assert refused.value.hint == ("did you mean 'acme'?",)


def test_the_repository_of_a_workflow() -> None:
    assert workflow_repository(UPLOAD) == "example/main"


def test_a_file_is_named_as_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "lanes.yml").write_text(LANES)
    assert document.load(tmp_path / "lanes.yml", "x/lanes.yml").file == "x/lanes.yml"
    with pytest.raises(ConfigurationError, match="there is no catalogue here") as refused:
        document.load(tmp_path / "none.yml", "none.yml")
    assert "--lanes FILE" in refused.value.hint[0]
