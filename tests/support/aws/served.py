"""AWS as a stand-in: moto behind, IAM in force, and what moto lacks in front: trust policies, and a registry for ECR.

    with oidc.served() as tokens, served(registry.host, tokens.key) as aws:
        role = aws.role("ci-trusted", permissions=POLICY, trust=TRUST)
        aws.repository("ci")
        run(..., env={**aws.env, **tokens.env})  # the catalogue says: registry: {aws.host}/ci, ecr: {role: ..., ...}

`aws.env` points every AWS client at it and holds no credentials; `aws.host` is ECR's registry, `HOST:PORT`, in front
of an open one; a login gives a password for it. `aws.api` and `aws.gate` are proxies with `faults` and `requests`
(see `support.registry.faults`). What is judged, and by whom:

- whether a token is real, in time and for `sts.amazonaws.com`, whether the role's trust policy lets its claims in, and
  the longest session: here (moto judges none of them);
- whether a role may call the API: moto, by action on resource `*`; by repository, for ECR: here;
- whether a role may read or write a repository through the registry: here, by action and repository;
- whether a repository exists and holds its tags: as moto's DescribeRepositories has it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.aws.gate import ACCOUNT, REGION, Gate, Principal, Role, json_answer
from support.aws.policy import allowed, anywhere, may_assume
from support.aws.trust import EVERYTHING, PROVIDER, trust_in, trust_of
from support.child_server import listening
from support.github.oidc import claims_of
from support.registry.faults import Answer, Proxy, running

__all__ = ["ACCOUNT", "EVERYTHING", "PROVIDER", "REGION", "Aws", "served", "trust_in", "trust_of"]


class Aws:
    """What `served` gives: see the module."""

    def __init__(self, moto: str, upstream: str, key: bytes) -> None:
        self.key = key
        self.roles: dict[str, Role] = {}
        self.principals: dict[str, Principal] = {}  # by access key id
        self.passwords: dict[str, str] = {}  # password -> access key id
        self.secrets: list[str] = []  # every secret key and session token that was given
        self._moto = moto
        self.admin = self._admin()
        self.api = Api(self, moto)
        self.gate = Gate(self, upstream)

    @property
    def host(self) -> str:
        """`HOST:PORT` of the registry: what ECR's API names as its endpoint."""
        return self.gate.host

    @property
    def env(self) -> Mapping[str, str]:
        """Where AWS is; no credentials, no configuration of the machine's user, no instance metadata."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.api.host}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def role(
        self,
        name: str,
        permissions: Mapping[str, Any] = EVERYTHING,
        trust: Mapping[str, Any] | None = None,
        longest: int = 3600,
    ) -> str:
        """Make a role, or replace it, and return its ARN; unless told, it may do all and trusts any repository."""
        policy = trust or trust_of("repo:*")
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        iam = self.client("iam")
        if arn in self.roles:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(policy))
        else:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(anywhere(permissions)))
        role = self.roles.setdefault(arn, Role(arn, permissions, policy, longest))
        role.permissions, role.trust, role.longest = permissions, policy, longest
        return arn

    def user(self, name: str, permissions: Mapping[str, Any] = EVERYTHING) -> Mapping[str, str]:
        """Make a user; returns its credentials as environment variables."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(anywhere(permissions)))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        self.principals[key["AccessKeyId"]] = Principal(arn, Role(arn, permissions, {}, 0), float("inf"))
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def session(self, role: str, ends: float | None = None) -> Mapping[str, str]:
        """Credentials of a session of a role, as environment variables; `ends` in seconds since the epoch."""
        arn = self.role(role, trust=trust_in("user/admin"))
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="tests")["Credentials"]
        name = f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/tests"
        until = time.time() + 3600 if ends is None else ends
        self.principals[given["AccessKeyId"]] = Principal(name, self.roles[arn], until)
        self.secrets += [given["SecretAccessKey"], given["SessionToken"]]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    def repository(self, name: str, **options: Any) -> None:
        """Make a repository at ECR."""
        self.client("ecr").create_repository(repositoryName=name, **options)

    def repositories(self) -> dict[str, Mapping[str, Any]]:
        """Every repository at ECR, by name."""
        found = self.client("ecr").describe_repositories()["repositories"]
        return {one["repositoryName"]: one for one in found}

    def expire(self) -> None:
        """From now on every session and every password is out of date."""
        for principal in self.principals.values():
            principal.ends = 0.0

    def client(self, service: str) -> Any:
        """boto3 as the administrator of the account."""
        return self.admin.client(service, endpoint_url=f"http://{self._moto}")

    def _admin(self) -> boto3.session.Session:
        """The first user, made before IAM is in force."""
        given = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup", "region_name": REGION}
        iam = boto3.session.Session(**given).client("iam", endpoint_url=f"http://{self._moto}")
        iam.create_user(UserName="admin")
        iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        key = iam.create_access_key(UserName="admin")["AccessKey"]
        self.admin_keys = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
        urllib3.request("POST", f"http://{self._moto}/moto-api/reset-auth", body=b"0").drain_conn()
        names = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return boto3.session.Session(**names, region_name=REGION)


class Api(Proxy):
    """The endpoint of every AWS service."""

    def __init__(self, aws: Aws, moto: str) -> None:
        super().__init__(moto)
        self.aws = aws
        self.operations: list[tuple[str, str]] = []  # operation, access key id

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        operation = (handler.headers.get("X-Amz-Target") or form.get("Action", "")).rpartition(".")[2]
        signer = re.search(r"Credential=([^/]+)/", handler.headers.get("Authorization") or "")
        who = signer[1] if signer else ""
        self.operations.append((operation, who))
        principal = self.aws.principals.get(who)
        if principal and principal.ends < time.time():
            return json_answer(400, {"__type": "ExpiredTokenException", "message": "The security token is expired"})
        if operation == "AssumeRoleWithWebIdentity":
            return self._assume(handler, body, form)
        if operation == "AssumeRole" and principal:
            answer = self.forward(handler, body)
            return self._remember(answer, form)
        if principal and (why := self._elsewhere(principal, operation, body)):
            return json_answer(400, {"__type": "AccessDeniedException", "message": why})
        answer = self.forward(handler, body)
        if answer.status == 403 and handler.headers.get("X-Amz-Target"):  # moto refuses every service as IAM does
            said = re.search(rb"<Message>(.*?)</Message>", answer.body)
            return json_answer(400, {"__type": "AccessDeniedException", "message": said[1].decode() if said else ""})
        return self._authorization(answer, who) if operation == "GetAuthorizationToken" else answer

    def _elsewhere(self, principal: Principal, operation: str, body: bytes) -> str | None:
        """Why a call that names repositories is not allowed at these."""
        try:
            given = json.loads(body)
        except ValueError:
            return None
        names = [*given.get("repositoryNames", ()), *filter(None, [given.get("repositoryName")])]
        for arn in (f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}" for name in names):
            if not allowed([principal.role.permissions], f"ecr:{operation}", arn):
                return f"User: {principal.name} is not authorized to perform: ecr:{operation} on resource: {arn}"
        return None

    def _assume(self, handler: BaseHTTPRequestHandler, body: bytes, form: Mapping[str, str]) -> Answer:
        refusal = self._refusal(form)
        if refusal:
            code, message, status = refusal
            text = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            raw = f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{text}</ErrorResponse>'.encode()
            return Answer(status, {"Content-Type": "text/xml", "Content-Length": str(len(raw))}, raw)
        self._sign(handler, body)  # moto lets nobody in without a signature once IAM is in force
        return self._remember(self.forward(handler, body), form)

    def _refusal(self, form: Mapping[str, str]) -> tuple[str, str, int] | None:
        """What STS says no with (AWS STS API Reference, AssumeRoleWithWebIdentity, "Errors")."""
        claims = claims_of(form["WebIdentityToken"], self.aws.key)
        role = self.aws.roles.get(form["RoleArn"])
        if claims is None:
            return "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider", 400
        if float(str(claims["exp"])) < time.time():
            return "ExpiredTokenException", f"Token expired: current date/time must be before {claims['exp']}", 400
        if claims["aud"] != "sts.amazonaws.com":
            return "InvalidIdentityToken", "Incorrect token audience", 400
        if role is None or not may_assume(role.trust, PROVIDER, claims):
            return "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403
        if int(form.get("DurationSeconds", "3600")) > role.longest:
            return (
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                400,
            )
        return None

    def _sign(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        kept = {"Content-Type": handler.headers.get("Content-Type", ""), "Host": handler.headers["Host"]}
        request = AWSRequest("POST", f"http://{handler.headers['Host']}/", data=body, headers=kept)
        SigV4Auth(self.aws.admin_keys, "sts", REGION).add_auth(request)
        for name in ("Authorization", "X-Amz-Date"):
            del handler.headers[name]
            handler.headers[name] = request.headers[name]

    def _remember(self, answer: Answer, form: Mapping[str, str]) -> Answer:
        key = re.search(rb"<AccessKeyId>(.*?)</AccessKeyId>", answer.body)
        role = self.aws.roles.get(form["RoleArn"])
        self.secrets_in(answer.body)
        if answer.status == 200 and key and role:
            session = (
                f"{role.arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{form['RoleSessionName']}"
            )
            ends = time.time() + int(form.get("DurationSeconds", "3600"))
            self.aws.principals[key[1].decode()] = Principal(session, role, ends)
        return answer

    def secrets_in(self, body: bytes) -> None:
        for name in (b"SecretAccessKey", b"SessionToken"):
            found = re.search(rb"<%s>(.*?)</%s>" % (name, name), body)
            self.aws.secrets += [found[1].decode()] if found else []

    def _authorization(self, answer: Answer, who: str) -> Answer:
        if answer.status != 200:
            return answer
        password = secrets.token_urlsafe(32)
        self.aws.passwords[password] = who
        given = {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": time.time() + 12 * 3600,
            "proxyEndpoint": f"http://{self.aws.host}",
        }
        return json_answer(200, {"authorizationData": [given]})


@contextmanager
def served(upstream: str, key: bytes = b"") -> Iterator[Aws]:
    """AWS on free ports until the block ends: `upstream` is an open registry, `key` that of `support.github.oidc`."""
    with _moto() as host:
        aws = Aws(host, upstream, key)
        with running(aws.api), running(aws.gate):
            yield aws


def _moto() -> AbstractContextManager[str]:
    """A moto of its own, in a process of its own: its state and whether IAM is in force are global there."""
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    return listening(argv, r"Running on http://(127\.0\.0\.1:[0-9]+)")
