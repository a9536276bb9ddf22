"""The only place that imports boto3: a call of an AWS service, its refusals in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imageyard.errors import Absent, Denied, Transient

__all__ = ["call"]

_ABSENT = ("NotFoundException", "NoSuchBucket", "NoSuchKey")
_DENIED = ("AccessDenied", "UnrecognizedClient", "ExpiredToken", "InvalidClientTokenId", "NotAuthorized")


def call(service: str, operation: str, region: str, doing: str, **given: Any) -> Mapping[str, Any]:
    """One call with the credentials and the endpoint of the environment (boto3's own chain); it retries by itself.

    Raises Denied where there are no credentials or they do not suffice, Absent for what is not there, Transient for
    the rest.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    hint = "aws sts get-caller-identity    (who are you to AWS?)"
    try:
        client = boto3.session.Session(region_name=region).client(service)
        answer: Mapping[str, Any] = getattr(client, operation)(**given)
    except NoCredentialsError:
        raise Denied("there are no AWS credentials", doing=doing, hint=hint) from None
    except ClientError as error:
        code, words = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        text = f"AWS {service} answers {code}: {words}"
        if code.endswith(_ABSENT):
            raise Absent(text, doing=doing) from None
        if any(word in code for word in _DENIED):
            raise Denied(text, doing=doing, hint=hint) from None
        raise Transient(text, doing=doing, hint="run it again") from None
    except BotoCoreError as error:
        raise Transient(f"AWS {service} was not reached: {error}", doing=doing, hint="run it again") from None
    return answer
