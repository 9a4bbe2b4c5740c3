"""The bootstrap project, recorded for each account."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from hokusai_infra.local.parts.policy import decide
from hokusai_infra.recorder import Graph, Resource, answers_for, record
from tests.infra.recordings import ROOT

ACCOUNTS: Final = {"staging": "111122223333", "prod": "444455556666"}
REGION: Final = "us-east-1"
HERE: Final = {"aws:RequestedRegion": REGION}
ROLE: Final = "aws:iam/role:Role"
POLICY: Final = "aws:iam/policy:Policy"


@cache
def bootstrapped(account: str) -> Graph:
    return record(ROOT / "bootstrap", account, answers=answers_for(ACCOUNTS[account], REGION))


def role(account: str, name: str) -> Resource:
    return bootstrapped(account).one(ROLE, name)


def documents(account: str, name: str) -> list[str]:
    """Return the texts of all policies that a role of the pipeline has of its own."""
    graph = bootstrapped(account)
    of = {each.state["arn"]: each for each in graph.of(POLICY)}
    attached = [
        each.inputs["policyArn"]
        for each in graph.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if each.inputs["role"] == role(account, name).inputs["name"]
    ]
    return [of[arn].inputs["policy"] for arn in attached if arn in of]


def may(
    environment: str,
    action: str,
    resource: str,
    context: Mapping[str, str] | None = None,
    role: str = "",
) -> bool:
    """Tell whether a role's own policies allow a request; by default the deploy role's."""
    texts = documents(environment, role or f"deploy-{environment}")
    return decide(texts, action, resource, HERE | dict(context or {})).allowed


def trusted(resource: Resource) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(resource.inputs["assumeRolePolicy"])["Statement"]
    return found
