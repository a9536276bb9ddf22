"""What a lane says of the tests of a file: posted once, signed, about this file; and shown for the newest one."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused
from imageyard.lanes.dsse import Envelope, signed_bytes, write_envelope
from imageyard.lanes.in_toto import source_of
from imageyard.lanes.lane_results import ResultSignal, judge_result
from imageyard.lanes.lane_signer import signer_among
from imageyard.lanes.places import TESTED, file_key
from imageyard.lanes.posted_results import post_result, result_signal
from imageyard.lanes.provenance_statement import write_provenance
from imageyard.lanes.result_statement import ResultStatement, read_result, write_result
from support.lanes.channels import names
from support.lanes.signed import CLAIMS, FORGE, KINDS, key, lane_key, origin, rules, signed, signer
from support.lanes.signed_yard import SignedYard, channel

ONE, TWO = names("1.0+acme", "1.1+acme")
SHA = "a" * 64
URL = "https://ci.example/runs/42"
NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
PASSED = ResultStatement(ONE, SHA, "passed", URL)


def statement(**changed: Any) -> bytes:
    """The statement about ONE, some parts of which are others."""
    whole = json.loads(write_result(PASSED, origin(), FORGE))
    return json.dumps({**whole, **changed}).encode()


def test_what_is_written_is_the_predicate_of_in_toto() -> None:
    assert json.loads(write_result(PASSED, origin(), FORGE)) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": ONE, "digest": {"sha256": SHA}}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED",
            "configuration": [
                {
                    "uri": f"git+{FORGE}/{CLAIMS['repository']}@{CLAIMS['ref']}",
                    "digest": {"gitCommit": CLAIMS["sha"]},
                }
            ],
            "url": URL,
        },
    }


@pytest.mark.parametrize(
    "tested", [PASSED, ResultStatement(ONE, SHA, "warned", ""), ResultStatement(TWO, "b" * 64, "failed", URL)]
)
def test_what_is_written_is_read(tested: ResultStatement) -> None:
    assert read_result(write_result(tested, origin(), FORGE)) == tested


def test_a_ref_is_part_of_an_address_in_both_statements() -> None:
    """Git allows a `#` and a `%` in the name of a branch; both statements name the commit alike."""
    odd = origin(ref="refs/heads/a#b%c")
    source = source_of(odd, FORGE)
    assert source["uri"] == f"git+{FORGE}/{CLAIMS['repository']}@refs/heads/a%23b%25c"
    result = json.loads(write_result(PASSED, odd, FORGE))["predicate"]["configuration"]
    made = json.loads(write_provenance(ONE, SHA, odd, FORGE))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert result == made == [source]


def test_lists_of_single_tests_are_not_looked_at() -> None:
    predicate = {"result": "WARNED", "configuration": [], "passedTests": ["a"], "failedTests": []}
    assert read_result(statement(predicate=predicate)) == ResultStatement(ONE, SHA, "warned", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_result_holds(kind: str) -> None:
    assert judge_result(signed(statement(), kind), ONE, SHA, rules(), NOW) == PASSED


SUBJECT = [{"name": ONE, "digest": {"sha256": SHA}}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (signed(b"[]"), "no result of tests"),
        (signed(statement(subject=[])), "no result of tests"),
        (signed(statement(subject=SUBJECT * 2)), "no result of tests"),
        (signed(statement(subject=[{"name": ONE}])), "no result of tests"),
        (signed(statement(subject=[{"name": 1, "digest": {"sha256": SHA}}])), "no text"),
        (signed(statement(predicate=[])), "no result of tests"),
        (signed(statement(predicate={"result": "passed"})), "none of PASSED"),
        (signed(statement(predicate={"result": "PASSED", "url": "http://ci.example/"})), "does not begin with https"),
        (signed(statement(predicate={"result": "PASSED", "url": "javascript:alert(1)"})), "does not begin with https"),
        (signed(statement(_type="https://in-toto.io/Statement/v0.1")), "not of the type"),
        (signed(write_provenance(ONE, SHA, origin(), FORGE)), "no result of tests"),
        (signed(write_result(ResultStatement(TWO, SHA, "passed", ""), origin(), FORGE)), "it is about"),
        (signed(write_result(ResultStatement(ONE, "b" * 64, "passed", ""), origin(), FORGE)), "it is about sha256"),
        (signed(statement(), seed=2), "none of the lane"),
        (write_envelope(Envelope(statement(), lane_key().public.id, b"0" * 64)), "not of these bytes"),
    ],
)
def test_a_result_that_nobody_believes(body: bytes, words: str) -> None:
    found = judge_result(body, ONE, SHA, rules(), NOW)
    assert isinstance(found, str)
    assert words in found


def test_a_key_counts_until_its_end() -> None:
    told = rules(lane_key(until=NOW))
    body = signed(statement())
    assert judge_result(body, ONE, SHA, told, NOW - timedelta(seconds=1)) == PASSED
    assert "was used until" in str(judge_result(body, ONE, SHA, told, NOW))


@pytest.fixture
def yard(tmp_path: Path) -> SignedYard:
    found = SignedYard(tmp_path)
    found.upload(ONE, channel())
    return found


def signal(yard: SignedYard) -> ResultSignal | None:
    key = file_key("acme", "stable", ONE)
    bucket = yard.s3.bucket()
    entry = next((one for one in bucket.list(key) if one.key == key + TESTED), None)
    sha256 = hashlib.sha256(yard.s3.objects[key].body).hexdigest()
    return result_signal(bucket, entry, ONE, sha256, channel())


def test_a_result_is_posted_once(yard: SignedYard) -> None:
    """The same one again is there already; another one replaces nothing, and the index says nothing of either."""
    assert signal(yard) is None
    post = (yard.s3.bucket(), channel())
    assert post_result(*post, (ONE, "failed", URL), signer(), yard.s3.clock()) == f"{ONE} failed posted"
    assert signal(yard) == ResultSignal(ONE, "failed", URL)
    assert post_result(*post, (ONE, "failed", URL), signer(), yard.s3.clock()) == f"{ONE} failed already there"
    with pytest.raises(PolicyRefused, match="has another result"):
        post_result(*post, (ONE, "passed", URL), signer(), yard.s3.clock())
    assert signal(yard) == ResultSignal(ONE, "failed", URL)
    yard.index(channel())
    assert yard.listed() == [ONE]
    assert not [key for key, each in yard.s3.objects.items() if key.startswith("index/") and b"tested" in each.body]


def test_a_result_of_nothing_or_of_nobody(yard: SignedYard) -> None:
    post = (yard.s3.bucket(), channel())
    with pytest.raises(NotFound, match=re.escape(f"has no {TWO}")):
        post_result(*post, (TWO, "passed", ""), signer(), yard.s3.clock())
    with pytest.raises(ConfigurationError, match="none of the lane"):
        post_result(*post, (ONE, "passed", ""), signer(seed=2), yard.s3.clock())
    with pytest.raises(ConfigurationError, match="does not begin with https"):
        post_result(*post, (ONE, "passed", "ftp://ci.example/"), signer(), yard.s3.clock())
    assert signal(yard) is None


@pytest.mark.parametrize(("body", "words"), [(b"{}", "other keys"), (b" " * 70_000, "more than 65536 bytes")])
def test_what_somebody_else_put_there_is_refused(yard: SignedYard, body: bytes, words: str) -> None:
    yard.s3.put(file_key("acme", "stable", ONE) + TESTED, body)
    found = signal(yard)
    assert found is not None
    assert found.outcome is None
    assert words in found.refused


@pytest.mark.parametrize(
    ("key_id", "signature_of", "words"),
    [
        (lane_key().public.id, 1, ""),
        ("", 1, ""),
        (lane_key(seed=2).public.id, 2, "none of the lane"),
        (lane_key().public.id, 2, "not of these bytes"),
        ("", 2, "not of these bytes"),
    ],
)
def test_who_signed(key_id: str, signature_of: int, words: str) -> None:
    """An envelope that names no key is tried with each of the lane; one that names another is of nobody's."""
    envelope = Envelope(b"{}", key_id, key(seed=signature_of).sign(signed_bytes(b"{}")))
    found = signer_among(envelope, [lane_key()])
    assert found == lane_key() if not words else isinstance(found, str) and words in found
