from dataclasses import replace
from typing import Any

import pulumi
import pytest

from hokusai_infra.components.api_key_store import ApiKeyStore, ApiKeyStoreArgs
from hokusai_infra.components.encryption_key import KeyAccess
from tests.infra.recordings import alone, inputs

ARGS = ApiKeyStoreArgs(
    region="us-east-1",
    account_id="111122223333",
    key_secret_prefix="example/test/projects/",  # noqa: S106 - a name
    signing_keys_name="example/test/signing-keys",
)
KEYS = "arn:aws:secretsmanager:us-east-1:111122223333:secret:example/test/projects/*"
KMS = "arn:aws:kms:us-east-1:111122223333:key/keys"
SIGNING = "arn:aws:secretsmanager:us-east-1:111122223333:secret:example/test/signing-keys-AbCdEf"


def test_no_secret_has_a_value_from_the_program() -> None:
    assert inputs(alone(lambda: ApiKeyStore("keys", ARGS))) == {
        "Key keys": {
            "description": "Secrets below example/test/projects/ and example/test/signing-keys",
            "enableKeyRotation": True,
            "deletionWindowInDays": 30,
            "bypassPolicyLockoutSafetyCheck": True,
            "policy": KeyAccess(
                account_id="111122223333", region="us-east-1", services=("secretsmanager",)
            ).policy(),
        },
        "Alias keys": {"name": "alias/example/test/projects", "targetKeyId": "keys"},
        "Secret keys-signing-keys": {
            "name": "example/test/signing-keys",
            "description": "Private keys that sign sessions; written by the API alone",
            "kmsKeyId": KMS,
            "recoveryWindowInDays": 30,
        },
    }


def test_the_name_of_an_unprotected_secret_is_free_once_it_is_deleted() -> None:
    graph = alone(lambda: ApiKeyStore("keys", replace(ARGS, protected=False)))
    secret = graph.one("aws:secretsmanager/secret:Secret")
    assert secret.inputs["recoveryWindowInDays"] == 0


def test_a_reader_writes_nothing_and_nobody_deletes() -> None:
    def main() -> None:
        store = ApiKeyStore("keys", ARGS)
        pulumi.export("read", [each.rendered() for each in store.readable()])
        pulumi.export("write", [each.rendered() for each in (*store.writable(), store.signing())])

    outputs = alone(main).outputs
    assert [(each["Action"], each["Resource"]) for each in outputs["read"]] == [
        (["secretsmanager:GetSecretValue"], [KEYS]),
        (["kms:Decrypt"], [KMS]),
    ]
    assert [(each["Action"], each["Resource"]) for each in outputs["write"]] == [
        (
            [
                "secretsmanager:CreateSecret",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:TagResource",
            ],
            [KEYS],
        ),
        (["kms:Decrypt", "kms:GenerateDataKey"], [KMS]),
        (["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], [SIGNING]),
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"key_secret_prefix": "example/test/projects"}, "must end with '/'"),
        ({"signing_keys_name": "example/test/projects/signing"}, "could sign sessions"),
        ({"recovery_days": 6}, "7 to 30"),
        ({"recovery_days": 0}, "7 to 30; protected=False keeps nothing"),
    ],
)
def test_names_that_would_share_secrets_do_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)
