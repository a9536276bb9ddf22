"""Who may take the role of a lane, over the claims of jobs that should not: read off the rendered trust policies.

The judge is `support.aws.policy`, by AWS's documentation: moto compares no claim of a token. AWS itself was not asked.
"""

from __future__ import annotations

import json

import pytest
from imageyard.errors import ConfigurationError
from imageyard.iam import TRUST_LIMIT, policy_length
from support.aws.policy import may_assume
from support.aws.trust import PROVIDER
from support.lanes.catalogues import CENTRE, HEAD, LANES, UPLOAD, rendered, roles_of

ROLES = roles_of()
FILE = "/.github/workflows/lane-upload.yml"


def upload(**other: str | None) -> dict[str, str]:
    """What GitHub states of an upload job of acme, which calls the centre's workflow; a claim of None is left out."""
    repository = other.get("repository") or "acme-ai/torch-acme"
    stated = {
        "iss": f"https://{PROVIDER}",
        "aud": "sts.amazonaws.com",
        "sub": f"repo:{repository}:environment:{other.get('environment') or 'lane-upload'}",
        "repository": repository,
        "repository_id": "812345678",
        "repository_owner": repository.partition("/")[0],
        "environment": "lane-upload",
        "ref": "refs/heads/main",
        "event_name": "push",
        "workflow_ref": f"{repository}/.github/workflows/release.yml@refs/heads/main",
        "job_workflow_ref": UPLOAD,
        **other,
    }
    return {name: value for name, value in stated.items() if value is not None}


EVIL = {"repository": "acme-evil/torch-acme-evil", "repository_id": "812345679"}
GLOBEX = {"repository": "globex/plugin", "repository_id": "4711", "environment": "publish"}
INITECH = {"repository": "initech/torch-initech", "repository_id": "99"}
CENTRAL = {"repository": CENTRE, "repository_id": "1001"}
INDEX = {**CENTRAL, "environment": "lane-index", "job_workflow_ref": UPLOAD.replace("upload", "index")}
PURGE = {**CENTRAL, "environment": "lane-purge", "job_workflow_ref": UPLOAD.replace("upload", "purge")}

JOBS: list[tuple[str, dict[str, str], str]] = [
    # those who should
    ("an upload of acme", upload(), "acme"),
    ("an upload of acme from a tag of its own", upload(ref="refs/tags/v1"), "acme"),
    ("an upload of acme by schedule", upload(event_name="schedule"), "acme"),
    ("an upload of acme whose subject is of another form", upload(sub="repo:acme-ai@5/torch-acme@812345678:x"), "acme"),
    ("an upload of acme-evil", upload(**EVIL), "acme-evil"),
    ("an upload of globex, in its own environment", upload(**GLOBEX), "globex"),
    ("the indexer", upload(**INDEX), "indexer"),
    ("the purge", upload(**PURGE), "purge"),
    # other repositories
    ("a fork", upload(repository="me/torch-acme", repository_id="77"), ""),
    ("a fork that states our name", upload(repository_id="77"), ""),
    ("a fork that states our number", upload(repository="me/torch-acme"), ""),
    ("the repository, renamed", upload(repository="acme-ai/torch-acme2"), ""),
    ("the repository, given to another owner", upload(repository="globex/torch-acme"), ""),
    ("another repository that got the old name", upload(repository_id="900000001"), ""),
    ("the repository, deleted and made again", upload(repository_id="900000002"), ""),
    ("an owner that begins like acme", upload(repository="acme-ai-evil/torch-acme", repository_id="77"), ""),
    ("a repository that begins like torch-acme", upload(repository="acme-ai/torch-acme-evil", repository_id="77"), ""),
    ("the name in other letters", upload(repository="Acme-AI/Torch-Acme"), ""),
    ("the number with a zero before it", upload(repository_id="0812345678"), ""),
    ("the number with a space", upload(repository_id="812345678 "), ""),
    ("the number of acme, cut", upload(repository_id="81234567"), ""),
    ("a pattern for a number", upload(repository_id="*"), ""),
    ("a pattern for a name", upload(repository="acme-ai/*"), ""),
    ("the name of acme and the number of acme-evil", upload(repository_id="812345679"), ""),
    ("acme-evil that states the number of acme", upload(**{**EVIL, "repository_id": "812345678"}), ""),
    ("the centre itself, uploading", upload(**CENTRAL), ""),
    ("no repository", upload(repository=None), ""),
    ("a lane that is suspended", upload(**INITECH), ""),
    # other workflows
    ("a workflow of acme's own", upload(job_workflow_ref=f"acme-ai/torch-acme{FILE}@refs/heads/main"), ""),
    ("a reusable workflow of another repository", upload(job_workflow_ref=f"me/main{FILE}@refs/heads/main"), ""),
    ("a fork of the centre's workflow", upload(job_workflow_ref=f"acme-ai/main{FILE}@refs/heads/main"), ""),
    ("another workflow of the centre", upload(job_workflow_ref=UPLOAD.replace("lane-upload", "ci")), ""),
    ("the centre's index workflow, called by acme", upload(job_workflow_ref=INDEX["job_workflow_ref"]), ""),
    ("the same, in the environment of indexes", upload(**{**INDEX, **EVIL}), ""),
    ("the workflow at another branch", upload(job_workflow_ref=f"{CENTRE}{FILE}@refs/heads/topic"), ""),
    ("the workflow at a branch that begins like main", upload(job_workflow_ref=f"{UPLOAD}ly"), ""),
    ("the workflow at a tag called main", upload(job_workflow_ref=f"{CENTRE}{FILE}@refs/tags/main"), ""),
    ("the workflow at a pull request", upload(job_workflow_ref=f"{CENTRE}{FILE}@refs/pull/3/merge"), ""),
    ("the workflow at a commit", upload(job_workflow_ref=f"{CENTRE}{FILE}@{'a' * 40}"), ""),
    ("the workflow, its ref cut", upload(job_workflow_ref=f"{CENTRE}{FILE}@main"), ""),
    ("the workflow without a ref", upload(job_workflow_ref=f"{CENTRE}{FILE}"), ""),
    ("a file that ends like the workflow", upload(job_workflow_ref=f"{CENTRE}/x{FILE}@refs/heads/main"), ""),
    ("a branch with the workflow as its name", upload(job_workflow_ref=f"me/x{FILE}@refs/heads/{UPLOAD}"), ""),
    ("the workflow in other letters", upload(job_workflow_ref=UPLOAD.replace("lane", "Lane")), ""),
    ("a pattern for a workflow", upload(job_workflow_ref="*"), ""),
    ("it is the caller's workflow alone", upload(job_workflow_ref=None, workflow_ref=UPLOAD), ""),
    ("no workflow", upload(job_workflow_ref=None), ""),
    # environments
    ("no environment", upload(environment=None), ""),
    ("another environment", upload(environment="test"), ""),
    ("an empty environment", upload(environment=""), ""),
    ("an environment in other letters", upload(environment="Lane-Upload"), ""),
    ("an environment that begins like it", upload(environment="lane-upload-too"), ""),
    ("the environment in the subject alone", upload(environment=None, sub="repo:x/y:environment:lane-upload"), ""),
    ("the environment of globex", upload(environment="publish"), ""),
    ("globex in the environment of all others", upload(**{**GLOBEX, "environment": "lane-upload"}), ""),
    ("the indexer without its environment", upload(**{**INDEX, "environment": None}), ""),
    ("the indexer in the environment of the purge", upload(**{**INDEX, "environment": "lane-purge"}), ""),
    ("a vendor in the environment of the purge", upload(environment="lane-purge"), ""),
    ("the purge's workflow, called by acme", upload(**{**PURGE, "repository": "acme-ai/torch-acme"}), ""),
    ("the purge at a topic", upload(**{**PURGE, "job_workflow_ref": f"{PURGE['job_workflow_ref']}-x"}), ""),
    # the token itself
    ("another audience", upload(aud="https://github.com/acme-ai"), ""),
    ("an audience that begins like STS", upload(aud="sts.amazonaws.com.cn"), ""),
    ("no audience", upload(aud=None), ""),
    ("no repository_id", upload(repository_id=None), ""),
    ("nothing but a subject", {"sub": "repo:acme-ai/torch-acme:environment:lane-upload"}, ""),
    ("nothing at all", {}, ""),
]  # fmt: skip
"""Jobs, and the roles that they may take: one, or none."""


def test_there_are_enough() -> None:
    assert len({json.dumps(stated, sort_keys=True) for _, stated, _ in JOBS}) == len(JOBS) >= 60


@pytest.mark.parametrize(("stated", "may"), [job[1:] for job in JOBS], ids=[job[0] for job in JOBS])
def test_who_may_take_which_role(stated: dict[str, str], may: str) -> None:
    assert " ".join(name for name, role in ROLES.items() if may_assume(role["trust"], PROVIDER, stated)) == may


CLAIMS = ("aud", "repository", "repository_id", "environment", "job_workflow_ref")


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize(
    ("name", "stated"),
    [("acme", {}), ("acme-evil", EVIL), ("globex", GLOBEX), ("indexer", INDEX), ("purge", PURGE)],
)
def test_no_claim_can_be_left_out_or_be_another(name: str, stated: dict[str, str], claim: str) -> None:
    trust = ROLES[name]["trust"]
    assert may_assume(trust, PROVIDER, upload(**stated))
    assert not may_assume(trust, PROVIDER, upload(**{**stated, claim: None}))
    assert not may_assume(trust, PROVIDER, upload(**{**stated, claim: f"{upload(**stated)[claim]}x"}))
    assert not may_assume(trust, PROVIDER, upload(**{**stated, claim: f"x{upload(**stated)[claim]}"}))


def test_another_issuer_is_nobody() -> None:
    assert not any(may_assume(role["trust"], "token.of.others.example", upload()) for role in ROLES.values())


@pytest.mark.parametrize("name", ["acme", "acme-evil", "globex", "indexer", "purge"])
def test_every_statement_asks_for_equality_of_all(name: str) -> None:
    """No pattern, and no operator that is true where a claim is missing; and it fits into the quota of AWS."""
    (statement,) = ROLES[name]["trust"]["Statement"]
    assert set(statement["Condition"]) == {"StringEquals"}
    assert set(statement["Condition"]["StringEquals"]) == {f"{PROVIDER}:{claim}" for claim in CLAIMS}
    assert policy_length(ROLES[name]["trust"]) < TRUST_LIMIT


def test_suspended_is_nobody_and_ends_sessions() -> None:
    role = ROLES["initech"]
    assert [one["Effect"] for one in role["trust"]["Statement"]] == ["Deny"]
    assert role["policy"]["Statement"] == [{"Sid": "Suspended", "Effect": "Deny", "Action": "*", "Resource": "*"}]


def test_a_lane_is_suspended_by_one_word_and_comes_back() -> None:
    active = roles_of(LANES.replace("    state: suspended\n", ""))["initech"]
    assert may_assume(active["trust"], PROVIDER, upload(**INITECH))


def test_no_role_is_rendered_for_a_repository_without_a_number() -> None:
    with pytest.raises(ConfigurationError, match="nobody said the number"):
        rendered(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme\n")


def test_a_trust_policy_that_aws_would_not_take_is_refused() -> None:
    long = f"{'a' * 900}.yml@refs/heads/{'b' * 900}"
    with pytest.raises(ConfigurationError, match="AWS takes 2048"):
        rendered(f"{HEAD}lanes:\n  acme: a/b@1\n".replace("lane-upload.yml@refs/heads/main", long))


def test_the_partition_is_that_of_the_region() -> None:
    text = json.dumps(roles_of(LANES.replace("us-east-1", "us-gov-west-1")))
    assert "arn:aws:" not in text.replace("arn:aws:cloudfront", "")
