"""Where moto's authorization differs from IAM's, and what makes it agree.

moto 5.2 checks signatures and actions, but names no resource for most services, reads policies as
regular expressions, takes a condition in an identity policy for an explicit deny, and answers JSON
services in XML.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import (
    AccessDeniedError,
    AuthFailureError,
    InvalidClientTokenIdError,
    JsonRESTError,
    SignatureDoesNotMatchError,
)
from moto.iam.access_control import IAMPolicyStatement
from moto.iam.models import Policy
from moto.kms.models import kms_backends
from moto.kms.responses import KmsResponse
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from hokusai_infra.local.parts import policy
from hokusai_infra.local.parts.calls import Call, CallLog
from hokusai_infra.local.parts.events import log

_JSON_CODES: Final = {
    "AccessDenied": "AccessDeniedException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}
"""What the JSON protocols call an error that the query protocol names on the left."""

# docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
_KMS_NEEDED: Final = {
    "GetSecretValue": ("kms:Decrypt",),
    "CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
}
"""What Secrets Manager does with a customer's key in the caller's name."""

_PREFIXES: Final = {"email": "ses", "monitoring": "cloudwatch"}
"""Services whose actions have another prefix in policies than in signatures."""
_AWS_MANAGED: Final = "alias/aws/"
_ANY_SUFFIX: Final = "AbCdEf"
"""Stands for the six characters that a secret's ARN ends in before the secret exists."""


@dataclass(frozen=True)
class _Need:
    action: str
    resource: str
    via: str = ""

    def context(self, region: str) -> dict[str, str]:
        found = {"aws:RequestedRegion": region}
        return found | {"kms:ViaService": self.via} if self.via else found


def install(calls: CallLog) -> None:
    """Replace the methods of moto, once, before it serves; authorization is on from then on.

    Every decision is written to ``calls``.
    """

    def authorize(self: Any, iam_request_cls: Any, resource: str = "*") -> None:  # noqa: ANN401 - moto has no types
        _authorize(self, iam_request_cls, resource, calls)

    ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize  # noqa: SLF001 - the one place where moto decides
    IAMPolicyStatement._match = staticmethod(policy.matches)  # noqa: SLF001 - trust policies use it
    SecretsManagerResponse._determine_resource = _secret_resource  # noqa: SLF001 - moto's own hook
    KmsResponse._determine_resource = _kms_resource  # noqa: SLF001 - moto's own hook


def _authorize(self: Any, iam_request_cls: Any, resource: str, calls: CallLog) -> None:  # noqa: ANN401 - moto has no types
    query = f"?{self.parsed_url.query}" if self.parsed_url.query else ""
    try:
        request = iam_request_cls(
            account_id=self.current_account,
            method=self.method,
            path=self.raw_path + query,
            data=self.data,
            body=self.raw_body,
            headers=self.headers,
            action=self._get_action(),
        )
        request.check_signature()
        _decide(self, request, resource, calls)
    except (AuthFailureError, InvalidClientTokenIdError, SignatureDoesNotMatchError) as refused:
        log("request_not_authenticated", code=refused.error_type, service=self.service_name)
        raise _spelled(self, refused) from refused
    except AccessDeniedError as refused:
        raise _spelled(self, refused) from refused


def _decide(response: Any, request: Any, resource: str, calls: CallLog) -> None:  # noqa: ANN401 - moto has no types
    signed_for, _, operation = request._action.partition(":")  # noqa: SLF001 - moto keeps it there
    action = f"{_PREFIXES.get(signed_for, signed_for)}:{operation}"
    caller = request._access_key  # noqa: SLF001 - as above
    if action == "sts:GetCallerIdentity":
        return
    documents = [_document(each) for each in caller.collect_policies()]
    for need in (_Need(action, resource), *_needs_of_secrets(response, action)):
        context = need.context(response.region)
        decision = policy.decide(documents, need.action, need.resource, context)
        calls.write(
            Call(
                role=caller.arn.rpartition("/")[2],
                action=need.action,
                resource=need.resource,
                outcome="allowed" if decision.allowed else "refused",
                by="control plane",
            )
        )
        if decision.allowed:
            continue
        log(
            "access_denied",
            principal=caller.arn,
            action=need.action,
            resource=need.resource,
            reason=decision.reason,
            conditions_not_evaluated=decision.not_evaluated,
        )
        what = f"{need.action} on resource: {need.resource} because {decision.reason}"
        raise AccessDeniedError(user_arn=caller.arn, action=what)
    assumes = request._is_assuming_role_operation(resource)  # noqa: SLF001 - as above
    if assumes and not request._check_role_trust_relationship(resource):  # noqa: SLF001 - as above
        log("access_denied", principal=caller.arn, action=action, reason="the role's trust policy")
        raise AccessDeniedError(user_arn=caller.arn, action=action)


def _document(found: Any) -> str:  # noqa: ANN401 - moto has no types
    """Read the text: moto keeps managed policies as objects, a user's as dicts, a role's plain."""
    if isinstance(found, Policy):
        return str(next(each.document for each in found.versions if each.is_default))
    return str(found if isinstance(found, str) else found["policy_document"])


def _spelled(response: Any, refused: Any) -> Any:  # noqa: ANN401 - moto has no types
    """Answer as the service's protocol does: form posts get XML and 403, the others JSON."""
    if "Action" in response.querystring:
        return refused
    return JsonRESTError(_JSON_CODES.get(refused.error_type, refused.error_type), refused.message)


def _needs_of_secrets(response: Any, action: str) -> Iterator[_Need]:  # noqa: ANN401 - moto has no types
    service, _, operation = action.partition(":")
    if service != "secretsmanager" or operation not in _KMS_NEEDED:
        return
    if operation == "CreateSecret" and response._get_param("Tags"):  # noqa: SLF001 - as moto's own handlers do
        yield _Need("secretsmanager:TagResource", _secret_resource(response))
    if operation == "CreateSecret":
        key = response._get_param("KmsKeyId")  # noqa: SLF001 - as moto's own handlers do
    else:
        secret = _secret(response)
        key = response._get_param("KmsKeyId") or (secret and secret.kms_key_id)  # noqa: SLF001 - as moto's own handlers do
    if not key or key.removeprefix("arn:").rpartition(":")[2].startswith(_AWS_MANAGED):
        return
    arn = _key_arn(response, key)
    for needed in _KMS_NEEDED[operation]:
        yield _Need(needed, arn, f"secretsmanager.{response.region}.amazonaws.com")


def _secret(response: Any) -> Any:  # noqa: ANN401 - moto has no types
    identifier = response._get_param("SecretId") or ""  # noqa: SLF001 - as moto's own handlers do
    backend = secretsmanager_backends[response.current_account][response.region]
    return backend.secrets.get(identifier)


def _secret_resource(self: Any) -> str:  # noqa: ANN401 - moto has no types
    """Name the secret that a request is about, in the form policies name it."""
    identifier = self._get_param("SecretId") or self._get_param("Name")
    if not identifier:
        return "*"
    if (secret := _secret(self)) is not None:
        return str(secret.arn)
    if identifier.startswith("arn:"):
        return str(identifier)
    account = f"{self.region}:{self.current_account}"
    return f"arn:aws:secretsmanager:{account}:secret:{identifier}-{_ANY_SUFFIX}"


def _kms_resource(self: Any) -> str:  # noqa: ANN401 - moto has no types
    try:
        key = json.loads(self.body).get("KeyId")
    except ValueError:
        return "*"
    return _key_arn(self, key) if key else "*"


def _key_arn(response: Any, key: str) -> str:  # noqa: ANN401 - moto has no types
    """Resolve a key's id, ARN or alias; an unknown one is spelled as an ARN."""
    backend = kms_backends[response.current_account][response.region]
    try:
        return str(backend.describe_key(key).arn)
    except Exception:  # noqa: BLE001 - moto raises several kinds for a key it does not know
        kind = "" if key.startswith("alias/") else "key/"
        account = f"{response.region}:{response.current_account}"
        return key if key.startswith("arn:") else f"arn:aws:kms:{account}:{kind}{key}"
