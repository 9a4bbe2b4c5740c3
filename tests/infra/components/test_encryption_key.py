import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from hokusai_infra.components.encryption_key import (
    ADMINISTER,
    USE,
    EncryptionKey,
    EncryptionKeyArgs,
    KeyAccess,
)
from hokusai_infra.local.parts.policy import decide
from tests.infra.recordings import alone, inputs

ACCESS = KeyAccess(
    account_id="111122223333",
    region="us-east-1",
    services=("s3", "rds"),
    log_groups=("/ecs/example-*",),
)
ARGS = EncryptionKeyArgs(alias="example/test/data", description="Example", access=ACCESS)
KEY = "arn:aws:kms:us-east-1:111122223333:key/data"
ACCOUNT = {"AWS": "arn:aws:iam::111122223333:root"}
VIA = {"kms:ViaService": ["rds.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"]}
LOGS = "arn:aws:logs:us-east-1:111122223333:log-group:/ecs/example-"


def test_a_key_rotates_and_is_used_through_its_services_alone() -> None:
    found = inputs(alone(lambda: EncryptionKey("data", ARGS)))
    policy = json.loads(found["Key data"].pop("policy"))
    assert found == {
        "Key data": {
            "description": "Example",
            "enableKeyRotation": True,
            "deletionWindowInDays": 30,
            "bypassPolicyLockoutSafetyCheck": True,
        },
        "Alias data": {"name": "alias/example/test/data", "targetKeyId": "data"},
    }
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Administer",
                "Effect": "Allow",
                "Principal": ACCOUNT,
                "Action": list(ADMINISTER),
                "Resource": "*",
            },
            {
                "Sid": "Use",
                "Effect": "Allow",
                "Principal": ACCOUNT,
                "Action": list(USE),
                "Resource": "*",
                "Condition": {"StringEquals": VIA},
            },
            {
                "Sid": "LetServicesGoOnUsingIt",
                "Effect": "Allow",
                "Principal": ACCOUNT,
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": {
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                    "StringEquals": VIA,
                },
            },
            {
                "Sid": "EncryptLogs",
                "Effect": "Allow",
                "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
                "Action": ["kms:DescribeKey", *USE],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {"kms:EncryptionContext:aws:logs:arn": [f"{LOGS}*"]},
                },
            },
        ],
    }


S3 = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
ELSEWHERE = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
OTHER = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
DIRECTLY = {"kms:ViaService": ""}
OF_A_LOG = "kms:EncryptionContext:aws:logs:arn"


@pytest.mark.parametrize(
    ("action", "context", "allowed"),
    [
        ("kms:Decrypt", S3, True),
        ("kms:GenerateDataKey", S3, True),
        ("kms:Decrypt", ELSEWHERE, False),
        ("kms:Decrypt", OTHER, False),
        ("kms:Decrypt", DIRECTLY, False),
        ("kms:Decrypt", DIRECTLY | {OF_A_LOG: f"{LOGS}api"}, True),
        ("kms:Decrypt", DIRECTLY | {OF_A_LOG: f"{LOGS.replace('example', 'foreign')}api"}, False),
        ("kms:PutKeyPolicy", DIRECTLY, True),
        ("kms:ScheduleKeyDeletion", DIRECTLY, True),
        ("kms:DisableKeyRotation", DIRECTLY, False),
        ("kms:Sign", S3, False),
    ],
)
def test_the_key_s_policy_allows(action: str, context: dict[str, str], *, allowed: bool) -> None:
    assert decide([ACCESS.policy()], action, KEY, context).allowed is allowed


def test_a_key_without_services_is_used_directly_and_encrypts_no_logs() -> None:
    access = replace(ACCESS, services=(), log_groups=())
    statements = {each["Sid"]: each for each in json.loads(access.policy())["Statement"]}
    assert "Condition" not in statements["Use"]
    assert statements["LetServicesGoOnUsingIt"]["Condition"].keys() == {"Bool"}
    assert "EncryptLogs" not in statements


def test_a_role_reads_or_writes_with_one_key() -> None:
    def main() -> None:
        key = EncryptionKey("stack-data", ARGS)
        pulumi.export("grants", [key.decrypt().rendered(), key.encrypt().rendered()])

    assert alone(main).outputs["grants"] == [
        {
            "Sid": "DecryptByStackData",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [f"{KEY.removesuffix('data')}stack-data"],
        },
        {
            "Sid": "EncryptByStackData",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": [f"{KEY.removesuffix('data')}stack-data"],
        },
    ]


@pytest.mark.parametrize(
    ("of", "wrong", "says"),
    [
        (ACCESS, {"account_id": "11112222333"}, "AWS has 12 digits"),
        (ACCESS, {"services": ("s3.us-east-1",)}, "name it as in s3.<region>"),
        (ARGS, {"alias": "aws/s3"}, "without 'aws/' in front"),
        (ARGS, {"alias": "a b"}, "letters, digits"),
        (ARGS, {"deletion_days": 6}, "AWS takes 7 to 30"),
        (ARGS, {"deletion_days": 31}, "AWS takes 7 to 30"),
    ],
)
def test_what_kms_would_refuse_does_not_construct(
    of: KeyAccess | EncryptionKeyArgs, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(of, **wrong)
