"""Provenance of a file: what is written, who signs it, and all that is refused."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.lanes.dsse import MOST_BYTES, Envelope, NotSigned, read_envelope, strict_json, write_envelope
from imageyard.lanes.lane_provenance import CHECKS, ProvenanceRules, fault_in, judge_provenance
from imageyard.lanes.origin import origin_of
from imageyard.lanes.provenance_statement import read_provenance, write_provenance
from imageyard.lanes.signatures import is_signed, public_key, signing_key
from imageyard.lanes.signing import KEY, KEY_FILE, key_of, origin_in
from support.lanes.channels import names
from support.lanes.signed import CLAIMS, FORGE, KINDS, key, lane_key, origin, pem, rules, signed, signer

GOLDEN = Path(__file__).parents[2] / "golden" / "lanes"
(ONE,) = names("1.0+acme")
SHA = "a" * 64
NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


def faulty(body: bytes, told: ProvenanceRules | None = None, stored: datetime | None = NOW) -> str:
    """The check that does not hold of provenance of ONE, empty where all hold."""
    fault = fault_in(judge_provenance(body, ONE, SHA, told or rules(), stored))
    return fault.check if fault else ""


# What is written


def test_the_statement_and_its_envelope_are_the_golden_files() -> None:
    """Ed25519 has no chance in it (RFC 8032, 5.1.6): the same key and the same run give the same bytes."""
    statement = write_provenance(ONE, SHA, origin(), FORGE)
    assert json.loads(statement) == json.loads((GOLDEN / "provenance.json").read_text())
    assert signer().sign(ONE, SHA) == (GOLDEN / "provenance.intoto.jsonl").read_bytes()
    assert read_envelope(signer().sign(ONE, SHA)).payload == statement


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_file_is_signed_with_the_same_bytes(kind: str) -> None:
    """Of ECDSA that holds with OpenSSL 3.2 and later, which the wheels of cryptography have (RFC 6979)."""
    assert signer(kind).sign(ONE, SHA) == signer(kind).sign(ONE, SHA)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_holds(kind: str) -> None:
    found = judge_provenance(signer(kind).sign(ONE, SHA), ONE, SHA, rules(), NOW)
    assert tuple(finding.check for finding in found) == CHECKS
    assert fault_in(found) is None
    assert {finding.key for finding in found} == {"", f"{kind}-1"}


@given(st.text(), st.text(alphabet="0123456789abcdef"), st.binary(min_size=1), st.binary(min_size=1))
def test_what_is_written_is_read_back(filename: str, sha256: str, payload: bytes, signature: bytes) -> None:
    said = read_provenance(write_provenance(filename, sha256, origin(), FORGE))
    assert (said.filename, said.sha256, said.commit) == (filename, sha256, "c" * 40)
    envelope = Envelope(payload, "k", signature)
    assert read_envelope(write_envelope(envelope)) == envelope


# Who says where it comes from


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("value", [None, "", 7, "a b\n", ["x"]])
def test_an_origin_is_whole(name: str, value: object) -> None:
    claims: dict[str, Any] = {**CLAIMS, name: value}
    with pytest.raises(ConfigurationError, match=f"states no {name} that can be read"):
        origin_of(claims, "the token")
    del claims[name]
    with pytest.raises(ConfigurationError, match=f"the token states no {name}\n"):
        origin_of(claims, "the token")


def test_claims_that_nobody_asked_for_are_left_out() -> None:
    """A file of claims may have a secret in it by mistake; nothing of it is signed and published."""
    assert origin_of({**CLAIMS, "token": "secret"}, "the file") == origin()


def test_an_origin_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "origin.json"
    with pytest.raises(EnvironmentLacks, match="cannot read"):
        origin_in(file)
    file.write_text("[]")
    with pytest.raises(ConfigurationError, match="no JSON object"):
        origin_in(file)
    file.write_text(json.dumps(CLAIMS))
    assert origin_in(file) == origin()


# Who signs


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_comes_from_the_environment_or_from_a_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "lane.pem"
    file.write_text(pem(kind))
    hidden: list[str] = []
    for environ in ({KEY: pem(kind)}, {KEY_FILE: str(file)}):
        found = key_of(environ, hidden.append)
        assert found is not None
        assert found.public == key(kind).public
        assert "PRIVATE" not in repr(found)
    assert hidden == [pem(kind)] * 2
    assert key_of({}, hidden.append) is None
    assert key_of({KEY: "", KEY_FILE: ""}, hidden.append) is None
    with pytest.raises(ConfigurationError, match="both set"):
        key_of({KEY: pem(), KEY_FILE: str(file)}, hidden.append)
    with pytest.raises(EnvironmentLacks, match="cannot be read"):
        key_of({KEY_FILE: str(tmp_path / "none")}, hidden.append)


def private(made: Any, passphrase: bytes | None = None) -> bytes:
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    body: bytes = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    return body


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"hunter2", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (private(ec.generate_private_key(ec.SECP384R1())), "another kind"),
        (private(rsa.generate_private_key(65537, 2048)), "another kind"),
        (private(ec.generate_private_key(ec.SECP256R1()), b"hunter2"), "with a passphrase"),
    ],
    ids=["text", "broken", "p384", "rsa", "passphrase"],
)
def test_what_is_no_key_is_refused_and_not_told(text: bytes, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        signing_key(text, KEY)
    assert "hunter2" not in str(refused.value)
    assert "BEGIN" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_key_is_a_line(kind: str) -> None:
    line = key(kind).public.line
    assert public_key(line) == key(kind).public
    for text in ("", line[:-4], line + "AAAA", line + "\n", f" {line}", line[4:], "?" + line[1:]):
        assert public_key(text) is None


def test_a_key_that_is_no_point_signs_nothing() -> None:
    """Its form is right, and P-256 has no such point: the catalogue is read without the package that could tell."""
    der = key("p256").public.der
    off = public_key(base64.b64encode(der[:-64] + b"\x01" * 64).decode())
    assert off is not None
    assert not is_signed(off, b"x", b"y")


def test_without_the_package_nothing_is_signed_and_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    body, public = signer().sign(ONE, SHA), key().public
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for work in (
        lambda: signing_key(pem().encode(), KEY),
        lambda: is_signed(public, b"", b""),
        lambda: judge_provenance(body, ONE, SHA, rules(), NOW),
    ):
        with pytest.raises(EnvironmentLacks, match="cryptography is not installed") as lacks:
            work()
        assert "pip install 'imageyard[lanes]'" in lacks.value.hint[0]
    assert public_key(public.line) == public, "lanes.yml is read without it"


# What is refused


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    body = signer(kind).sign(ONE, SHA)
    told = rules()
    assert faulty(body, told) == ""
    for at in range(len(body)):
        for bit in range(8):
            flipped = bytearray(body)
            flipped[at] ^= 1 << bit
            assert faulty(bytes(flipped), told), f"byte {at}, bit {bit}"


def test_every_flipped_bit_of_the_payload_is_refused() -> None:
    """As if base64 had let it through: the signature is of the payload, not of how it is written."""
    envelope = read_envelope(signer().sign(ONE, SHA))
    for at in range(len(envelope.payload)):
        for bit in range(8):
            flipped = bytearray(envelope.payload)
            flipped[at] ^= 1 << bit
            again = write_envelope(Envelope(bytes(flipped), envelope.key_id, envelope.signature))
            assert faulty(again) == "signature"


def test_every_beginning_is_refused() -> None:
    body = signer().sign(ONE, SHA)
    assert [faulty(body[:length]) for length in range(len(body) - 1)] == ["envelope"] * (len(body) - 1)


BODY = signer().sign(ONE, SHA)
WHOLE: dict[str, Any] = json.loads(BODY)
STATEMENT: dict[str, Any] = json.loads(read_envelope(BODY).payload)


def envelope(**changed: Any) -> bytes:
    return json.dumps({**WHOLE, **changed}).encode()


def one_signature(**changed: Any) -> bytes:
    return envelope(signatures=[{**WHOLE["signatures"][0], **changed}])


def without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


def statement(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A statement that is changed, and signed by the lane's own key."""
    whole = json.loads(json.dumps(STATEMENT))
    change(whole)
    return signed(json.dumps(whole).encode())


def build(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda whole: whole["predicate"]["buildDefinition"].update(changed)


PARAMETERS = STATEMENT["predicate"]["buildDefinition"]["externalParameters"]
SIG = WHOLE["signatures"][0]["sig"]
PAYLOAD = WHOLE["payload"]
REPEATED = read_envelope(BODY).payload.replace(b'{"_type"', b'{"_type":"x","_type"', 1)

HOSTILE = {
    # the envelope
    "nothing": (b"", "envelope"),
    "no json": (b"\x00\xff", "envelope"),
    "not utf-8": (BODY.decode().encode("utf-16"), "envelope"),
    "a list": (b"[]", "envelope"),
    "too deep": (b"[" * 60_000, "envelope"),
    "huge": (BODY + b" " * MOST_BYTES, "envelope"),
    "a huge number": (b'{"payload":' + b"9" * 10_000 + b"}", "envelope"),
    "two envelopes": (BODY + BODY, "envelope"),
    "no signature": (envelope(signatures=[]), "envelope"),
    "two signatures": (envelope(signatures=WHOLE["signatures"] * 2), "envelope"),
    "a signature of another key beside": (
        envelope(signatures=[*WHOLE["signatures"], json.loads(signed(b"{}", seed=2))["signatures"][0]]),
        "envelope",
    ),
    "signatures that are no list": (envelope(signatures=WHOLE["signatures"][0]), "envelope"),
    "another payload type": (envelope(payloadType="application/json"), "envelope"),
    "no payload type": (json.dumps(without(WHOLE, "payloadType")).encode(), "envelope"),
    "a further key": (envelope(more=1), "envelope"),
    "a further key of the signature": (one_signature(cert="x"), "envelope"),
    "the payload twice": (BODY.replace(b'{"payload":', b'{"payload":"e30=","payload":', 1), "envelope"),
    "the signature twice": (BODY.replace(b'"sig":', b'"sig":"AAAA","sig":', 1), "envelope"),
    "NaN": (BODY.replace(json.dumps(PAYLOAD).encode(), b"NaN"), "envelope"),
    "base64 with a line": (envelope(payload=f"{PAYLOAD[:4]}\n{PAYLOAD[4:]}"), "envelope"),
    "base64 without padding": (one_signature(sig=SIG.rstrip("=")), "envelope"),
    "base64 with bits that say nothing": (one_signature(sig=f"{SIG[:-3]}{chr(ord(SIG[-3]) + 1)}=="), "envelope"),
    "base64 for URLs": (one_signature(sig=base64.urlsafe_b64encode(b"\xff" * 64).decode()), "envelope"),
    "an empty payload": (envelope(payload=""), "envelope"),
    "a payload that is no text": (envelope(payload=1), "envelope"),
    "a keyid that is no text": (one_signature(keyid=1), "envelope"),
    # the signature
    "another key of nobody": (signed(read_envelope(BODY).payload, seed=2), "signature"),
    "another key's name": (one_signature(keyid=key("p256").public.id), "signature"),
    "no key's name and another key": (
        write_envelope(Envelope(read_envelope(BODY).payload, "", read_envelope(signed(b"{}", seed=2)).signature)),
        "signature",
    ),
    "the payload without its type is signed": (
        write_envelope(Envelope(read_envelope(BODY).payload, "", key().sign(read_envelope(BODY).payload))),
        "signature",
    ),
    "a long signature": (one_signature(sig=base64.b64encode(b"\x00" * 10_000).decode()), "signature"),
    # the statement
    "a payload that is no json": (signed(b"text"), "statement"),
    "a key of the statement twice": (signed(REPEATED), "statement"),
    "another statement": (
        statement(lambda whole: whole.update(_type="https://in-toto.io/Statement/v0.1")),
        "statement",
    ),
    "another predicate": (
        statement(lambda whole: whole.update(predicateType="https://spdx.dev/Document")),
        "statement",
    ),
    "no predicate": (statement(lambda whole: whole.pop("predicate")), "statement"),
    "no subject": (statement(lambda whole: whole.update(subject=[])), "statement"),
    "two subjects": (statement(lambda whole: whole.update(subject=STATEMENT["subject"] * 2)), "statement"),
    "a subject without sha256": (
        statement(lambda whole: whole["subject"][0].update(digest={"sha512": "a" * 128})),
        "statement",
    ),
    "another build type": (statement(build(buildType="https://example.com/other")), "statement"),
    "a parameter that nobody knows": (
        statement(build(externalParameters={**PARAMETERS, "inputs": "x"})),
        "statement",
    ),
    "a parameter is missing": (statement(build(externalParameters=without(PARAMETERS, "ref"))), "statement"),
    "a second source": (
        statement(lambda whole: whole["predicate"]["buildDefinition"]["resolvedDependencies"].append({})),
        "statement",
    ),
    "no builder": (statement(lambda whole: whole["predicate"]["runDetails"].pop("builder")), "statement"),
    # what it says
    "another file": (signer().sign(names("1.1+acme")[0], SHA), "subject"),
    "other bytes": (signer().sign(ONE, "b" * 64), "subject"),
    "the hash in capitals": (signer().sign(ONE, SHA.upper()), "subject"),
    "another repository": (signer(repository="acme-evil/torch-acme").sign(ONE, SHA), "repository"),
    "a repository that got the name": (signer(repository_id="812345679").sign(ONE, SHA), "repository"),
    "another workflow": (
        signer(job_workflow_ref="acme-ai/torch-acme/.github/workflows/own.yml@refs/heads/main").sign(ONE, SHA),
        "workflow",
    ),
    "another ref of the workflow": (
        signer(job_workflow_ref="example/main/.github/workflows/lane-upload.yml@refs/heads/x").sign(ONE, SHA),
        "workflow",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_provenance_is_refused(name: str) -> None:
    body, check = HOSTILE[name]
    assert faulty(body) == check


def test_provenance_of_another_lane_is_refused_though_its_signature_is_true() -> None:
    assert faulty(BODY, rules(lane_key(seed=3))) == "signature"
    assert faulty(BODY, ProvenanceRules()) == "signature"
    assert faulty(one_signature(keyid="")) == "", "whoever signs with another tool may leave the name out"


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("until", "stored", "check"),
    [
        (None, NOW, ""),
        (None, None, ""),
        (NOW + HOUR, NOW, ""),
        (NOW, NOW, "signature"),
        (NOW - HOUR, NOW, "signature"),
        (NOW + HOUR, None, "signature"),
    ],
)
def test_a_key_counts_until_it_was_no_longer_used(until: datetime | None, stored: datetime | None, check: str) -> None:
    """By the bucket's time, which nobody who stole the key can choose."""
    assert faulty(BODY, rules(lane_key(until=until)), stored) == check


def test_an_old_key_may_say_what_things_were_called_then() -> None:
    old = {"repository": "acme/torch", "workflow": "example/main/.github/workflows/up.yml@refs/heads/main"}
    body = signer(repository=old["repository"], job_workflow_ref=old["workflow"]).sign(ONE, SHA)
    assert faulty(body) == "repository"
    assert faulty(body, rules(lane_key(**old))) == ""
    assert faulty(BODY, rules(lane_key(**old))) == "repository"


def test_a_number_that_nobody_said_is_not_compared() -> None:
    told = ProvenanceRules(rules().keys, None, FORGE)
    assert faulty(signer(repository_id="7").sign(ONE, SHA), told) == ""


def test_the_fingerprint_of_the_rules_changes_with_every_key() -> None:
    told = [
        rules(),
        rules(lane_key()),
        rules(lane_key(until=NOW)),
        rules(lane_key(repository="a/b")),
        ProvenanceRules(),
    ]
    assert len({each.fingerprint for each in told}) == len(told)
    assert rules().fingerprint == rules().fingerprint


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    assert faulty(body) == "envelope"
    with pytest.raises(NotSigned):
        read_envelope(body)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"a":{"b":1,"b":2}}]', "Infinity", "-NaN", "{", ""])
def test_json_has_one_meaning(text: str) -> None:
    with pytest.raises(NotSigned, match="the text"):
        strict_json(text.encode(), "the text")
