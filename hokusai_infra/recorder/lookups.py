"""What a program may look up and still be recorded, where whoever records it allows that."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hokusai_infra.recorder.graph import UNKNOWN

STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"
ZONES: Final = "abc"
"""Letters of the zones that are assumed of a region."""
PARTITIONS: Final = {"cn-": ("aws-cn", "amazonaws.com.cn"), "us-gov-": ("aws-us-gov", "")}
POLICY_PARTS: Final = frozenset({"statements", "version", "policyId"})
SEVERAL: Final = {
    "actions": "Action",
    "notActions": "NotAction",
    "resources": "Resource",
    "notResources": "NotResource",
}
"""Lists of a statement, with their names in IAM's JSON."""


@dataclass(frozen=True)
class LookUps:
    """Answers what follows from the account and the region, and leaves the rest unknown."""

    account: str
    region: str

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a function of the provider; one that needs AWS is an error that says what to do.

        Raises:
            ValueError: It needs AWS.

        """
        partition, suffix = self._partition()
        match token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                return {
                    "id": self.account,
                    "accountId": self.account,
                    "arn": f"arn:{partition}:iam::{self.account}:root",
                    "userId": self.account,
                }
            case "aws:index/getRegion:getRegion":
                region = str(arguments.get("region") or arguments.get("name") or self.region)
                return {"id": region, "name": region, "region": region}
            case "aws:index/getPartition:getPartition":
                return {
                    "id": partition,
                    "partition": partition,
                    "dnsSuffix": suffix,
                    "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
                }
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                names = [f"{self.region}{letter}" for letter in ZONES]
                return {"id": self.region, "names": names, "state": "available"}
            case "aws:iam/getPolicyDocument:getPolicyDocument":
                document = policy_document(arguments)
                return {**arguments, "id": "policy", "json": document, "minifiedJson": document}
        raise ValueError(
            f"{token} asks AWS, which a preview cannot: give its value in the stack file and read "
            "it with pulumi.Config instead"
        )

    def read(self, type_: str, id_: str) -> dict[str, Any]:
        """Say what is known of a resource that the program reads; the rest stays unknown."""
        if type_ == STACK_REFERENCE:
            return {"name": id_, "outputs": UNKNOWN, "secretOutputNames": []}
        return {}

    def _partition(self) -> tuple[str, str]:
        found = (it for start, it in PARTITIONS.items() if self.region.startswith(start))
        partition, suffix = next(found, ("aws", ""))
        return partition, suffix or "amazonaws.com"


def policy_document(arguments: dict[str, Any]) -> str:
    """Write the statements of ``getPolicyDocument`` as IAM's JSON.

    Raises:
        ValueError: The document is made of other documents.

    """
    if further := sorted(arguments.keys() - POLICY_PARTS):
        raise ValueError(
            f"aws:iam/getPolicyDocument with {further[0]} is not worked out in a preview: state "
            "all statements in one document, or write it with json.dumps"
        )
    document: dict[str, Any] = {"Version": arguments.get("version") or "2012-10-17"}
    if policy_id := arguments.get("policyId"):
        document["Id"] = policy_id
    document["Statement"] = [_statement(each) for each in arguments.get("statements") or []]
    return json.dumps(document)


def _statement(stated: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {"Sid": stated["sid"]} if stated.get("sid") else {}
    written["Effect"] = stated.get("effect") or "Allow"
    for key, name in SEVERAL.items():
        if stated.get(key):
            written[name] = _one_or_more(stated[key])
    for key, name in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if stated.get(key):
            written[name] = _principals(stated[key])
    conditions: dict[str, dict[str, Any]] = {}
    for each in stated.get("conditions") or []:
        conditions.setdefault(each["test"], {})[each["variable"]] = _one_or_more(each["values"])
    if conditions:
        written["Condition"] = conditions
    return written


def _principals(stated: Iterable[dict[str, Any]]) -> str | dict[str, Any]:
    """Group identifiers by type; everybody has a form of its own."""
    found: dict[str, list[str]] = {}
    for each in stated:
        found.setdefault(each["type"], []).extend(each["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {type_: _one_or_more(identifiers) for type_, identifiers in found.items()}


def _one_or_more(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
