"""Actions that policies name are actions that there are: a misspelt one allows nothing."""

import gzip
import json
import re
from functools import cache
from pathlib import Path

import botocore
import pytest

from hokusai_infra.components.account.provider_calls import CALLS, reads, writes
from tests.infra.account.bootstraps import ACCOUNTS, POLICY, bootstrapped

SERVICES = {"elasticloadbalancing": "elbv2"}
"""Prefixes of actions that are not the name of the service's interface."""
NOT_CALLS = {
    "elasticloadbalancing": {
        "CreateWebACLAssociation",
        "DeleteWebACLAssociation",
        "GetLoadBalancerWebACL",
        "SetWebAcl",
    },
    "iam": {"PassRole"},
    "logs": {"CreateLogDelivery", "DeleteLogDelivery"},
    "rds-db": {"connect"},
    "s3": {
        "DeleteObjectVersion",
        "GetAccelerateConfiguration",
        "GetBucketObjectLockConfiguration",
        "GetBucketPublicAccessBlock",
        "GetEncryptionConfiguration",
        "GetLifecycleConfiguration",
        "GetReplicationConfiguration",
        "ListBucket",
        "ListBucketMultipartUploads",
        "ListBucketVersions",
        "ListMultipartUploadParts",
        "ListTagsForResource",
        "PutBucketPublicAccessBlock",
        "PutEncryptionConfiguration",
        "PutLifecycleConfiguration",
        "TagResource",
        "UntagResource",
    },
}
"""Permissions that no call has the name of, as in
docs.aws.amazon.com/service-authorization/latest/reference."""


@cache
def calls(service: str) -> frozenset[str]:
    """Return the calls of a service, in small letters: IAM does not tell them apart.

    They are searched for in the packed description, which takes seconds to read as a whole.
    """
    folder = Path(botocore.__file__).parent / "data" / SERVICES.get(service, service)
    newest = max(folder.glob("*/service-2.json.gz"))
    text = gzip.decompress(newest.read_bytes()).decode()
    return frozenset(each.lower() for each in re.findall(r'"name":\s*"(\w+)",\s*"http"', text))


def named() -> set[str]:
    documents = [
        json.loads(each.inputs["policy"])
        for account in ACCOUNTS
        for each in bootstrapped(account).of(POLICY)
    ]
    return {
        action
        for document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


def test_each_action_that_is_allowed_is_one_that_there_is() -> None:
    unknown = set[str]()
    for each in named():
        service, _, name = each.partition(":")
        if name not in NOT_CALLS.get(service, set()) and name.lower() not in calls(service):
            unknown.add(each)
    assert unknown == set()


def test_each_exception_is_one() -> None:
    stale = {
        f"{service}:{name}"
        for service, names in NOT_CALLS.items()
        for name in names
        if service != "rds-db" and name.lower() in calls(service)
    }
    assert stale == set()


@pytest.mark.parametrize("type_", CALLS)
def test_what_describes_changes_nothing(type_: str) -> None:
    verbs = ("Describe", "Get", "List")
    assert all(each.partition(":")[2].startswith(verbs) for each in CALLS[type_].reads)
    assert CALLS[type_].reads


def test_all_together_is_the_sum() -> None:
    types = ("aws:kms/alias:Alias", "aws:ecs/cluster:Cluster")
    assert reads(types) == CALLS[types[0]].reads | CALLS[types[1]].reads
    assert writes(types) == CALLS[types[0]].writes | CALLS[types[1]].writes
    assert writes(()) == frozenset()
