"""Each component of an account, alone: every child, exactly."""

import json
from typing import Any

import pulumi
import pytest

from hokusai_infra.components.account.audit_key import audit_key
from hokusai_infra.components.account.findings import (
    REPORTS,
    FindingsByMail,
    FindingsByMailArgs,
    Report,
)
from hokusai_infra.components.account.github import GitHubIdentity, GitHubIdentityArgs
from hokusai_infra.components.account.image_repository import ImageRepository, ImageRepositoryArgs
from hokusai_infra.components.account.permissions_boundary import (
    PermissionsBoundary,
    PermissionsBoundaryArgs,
)
from hokusai_infra.components.account.pipeline_role import PipelineRole, PipelineRoleArgs
from hokusai_infra.components.account.state_store import StateStore, StateStoreArgs
from hokusai_infra.iam_policy import Allow, Condition
from tests.infra.recordings import alone, inputs

ACCOUNT, REGION = "111122223333", "us-east-1"
KEY = "arn:aws:kms:us-east-1:111122223333:key/k"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


def test_github_is_one_provider_whose_tokens_are_for_sts() -> None:
    graph = alone(lambda: GitHubIdentity("github", GitHubIdentityArgs(account_id=ACCOUNT)))
    assert inputs(graph) == {
        "OpenIdConnectProvider github": {
            "url": "https://token.actions.githubusercontent.com",
            "clientIdLists": ["sts.amazonaws.com"],
        }
    }


def test_a_provider_that_exists_is_named_and_not_made() -> None:
    def main() -> None:
        args = GitHubIdentityArgs(account_id=ACCOUNT, exists=True)
        pulumi.export("arn", GitHubIdentity("github", args).provider_arn)

    graph = alone(main)
    assert inputs(graph) == {}
    assert graph.outputs == {"arn": PROVIDER}


def repository(**values: Any) -> ImageRepository:  # noqa: ANN401 - arguments of any type
    args = {"repository_name": "hokusai", "kms_key_arn": KEY} | values
    return ImageRepository("images", ImageRepositoryArgs(**args))


def test_images_are_scanned_never_replaced_and_expire_only_without_a_tag() -> None:
    found = inputs(alone(lambda: repository(pulled_by=("444455556666",))))
    lifecycle = json.loads(found["LifecyclePolicy images-lifecycle"].pop("policy"))
    pull = json.loads(found["RepositoryPolicy images-pull"].pop("policy"))
    assert found == {
        "Repository images": {
            "name": "hokusai",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": KEY}],
        },
        "LifecyclePolicy images-lifecycle": {"repository": "hokusai"},
        "RepositoryPolicy images-pull": {"repository": "hokusai"},
    }
    assert lifecycle == {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Remove what had no tag for 14 days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 14,
                },
                "action": {"type": "expire"},
            }
        ]
    }
    assert pull["Statement"] == [
        {
            "Sid": "PullFromOtherAccounts",
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::444455556666:root"]},
            "Action": [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
        }
    ]


def test_nobody_else_pulls_unless_named() -> None:
    found = inputs(alone(repository))
    assert found.keys() == {"Repository images", "LifecyclePolicy images-lifecycle"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"repository_name": "Hokusai"}, "lower-case"),
        ({"repository_name": "a"}, "2 to 256"),
        ({"repository_name": "a//b"}, "repository_name"),
        ({"untagged_days": 0}, "untagged_days is 0"),
        ({"pulled_by": ("4444",)}, "'4444' is not 12 digits"),
    ],
)
def test_what_ecr_would_refuse_does_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        alone(lambda: repository(**wrong))


CLAIM = Condition(operator="StringEquals", key="issuer:sub", values=("a",))
READ = Allow(sid="Read", actions=frozenset({"s3:GetObject"}), resources=("arn:aws:s3:::b/*",))


def pipeline(**values: Any) -> PipelineRole:  # noqa: ANN401 - arguments of any type
    args: dict[str, Any] = {
        "role_name": "hokusai-preview",
        "description": "Reads",
        "provider_arn": PROVIDER,
        "claims": (CLAIM,),
        "policies": {"state": (READ,)},
        "managed_policy_arns": ("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",),
    }
    return PipelineRole("preview", PipelineRoleArgs(**args | values))


def test_a_role_of_the_pipeline_is_taken_on_by_tokens_for_an_hour() -> None:
    found = inputs(alone(pipeline))
    trust = json.loads(found["Role preview"].pop("assumeRolePolicy"))
    text = json.loads(found["Policy preview-state"].pop("policy"))
    assert found == {
        "Role preview": {
            "name": "hokusai-preview",
            "path": "/hokusai-pipeline/",
            "description": "Reads",
            "maxSessionDuration": 3600,
        },
        "Policy preview-state": {"name": "hokusai-preview-state", "path": "/hokusai-pipeline/"},
        "RolePolicyAttachment preview-state": {
            "role": "hokusai-preview",
            "policyArn": f"arn:aws:iam::{ACCOUNT}:policy/hokusai-pipeline/hokusai-preview-state",
        },
        "RolePolicyAttachment preview-viewonlyaccess": {
            "role": "hokusai-preview",
            "policyArn": "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
        },
    }
    assert text["Statement"] == [READ.rendered()]
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"issuer:sub": ["a"]}},
        }
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"role_name": "a" * 65}, "1 to 64"),
        ({"policies": {}, "managed_policy_arns": ()}, "has 0 policies"),
        ({"policies": {str(n): (READ,) for n in range(11)}}, "has 12 policies"),
        ({"session_hours": 13}, "session_hours is 13"),
        ({"claims": ()}, "StringEquals"),
    ],
)
def test_what_iam_would_refuse_does_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        alone(lambda: pipeline(**wrong))


def test_a_boundary_is_one_policy_under_its_well_known_name() -> None:
    args = PermissionsBoundaryArgs(
        policy_name="hokusai-boundary",
        account_id=ACCOUNT,
        project="hokusai",
        closed_buckets=("arn:aws:s3:::state",),
        closed_keys=(KEY,),
    )
    found = inputs(alone(lambda: PermissionsBoundary("boundary", args)))
    text = json.loads(found["Policy boundary"].pop("policy"))
    assert found == {
        "Policy boundary": {
            "name": "hokusai-boundary",
            "description": "The most that a role of a hokusai stack can do",
        }
    }
    denied = [each for each in text["Statement"] if each["Effect"] == "Deny"]
    assert denied == [
        {
            "Sid": "StayOutOfTheAccountsOwn",
            "Effect": "Deny",
            "Action": ["s3:*"],
            "Resource": ["arn:aws:s3:::state", "arn:aws:s3:::state/*"],
        },
        {
            "Sid": "LeaveTheAccountsKeys",
            "Effect": "Deny",
            "Action": ["kms:*"],
            "Resource": [KEY],
        },
    ]


def store() -> StateStore:
    return StateStore(
        "state",
        StateStoreArgs(
            bucket_name="hokusai-state-111122223333",
            alias="hokusai-state",
            account_id=ACCOUNT,
            region=REGION,
            access_logs="logs",
            own_project="hokusai-bootstrap",
        ),
    )


def test_states_lie_in_a_secure_bucket_under_a_key_that_pulumi_uses_directly() -> None:
    graph = alone(store)
    found = inputs(graph)
    assert found["Bucket state"]["bucket"] == "hokusai-state-111122223333"
    assert found["Alias state-key"]["name"] == "alias/hokusai-state"
    assert found["BucketLogging state-access-logs"]["targetBucket"] == "logs"
    [rule] = found["BucketServerSideEncryptionConfiguration state-encryption"]["rules"]
    key = graph.one("aws:kms/key:Key", "state-key")
    used = rule["applyServerSideEncryptionByDefault"]
    assert used == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key.state["arn"]}
    assert key.inputs["enableKeyRotation"]
    [use] = [e for e in json.loads(key.inputs["policy"])["Statement"] if e["Sid"] == "Use"]
    assert "Condition" not in use
    rules = found["BucketLifecycleConfiguration state-lifecycle"]["rules"]
    assert [
        e["noncurrentVersionExpiration"] for e in rules if "noncurrentVersionExpiration" in e
    ] == [{"noncurrentDays": 365}]


def test_the_audit_key_is_used_by_this_account_s_trail_alone() -> None:
    def main() -> None:
        audit_key("audit", alias="a", account_id=ACCOUNT, region=REGION, trail_name="hokusai-audit")

    key = inputs(alone(main))["Key audit"]
    by_service = {
        each["Sid"]: each
        for each in json.loads(key["policy"])["Statement"]
        if "Service" in each["Principal"]
    }
    trail = "arn:aws:cloudtrail:us-east-1:111122223333:trail/hokusai-audit"
    assert by_service["EncryptTrail"] == {
        "Sid": "EncryptTrail",
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:SourceArn": [trail]},
            "StringLike": {
                "kms:EncryptionContext:aws:cloudtrail:arn": [
                    "arn:aws:cloudtrail:*:111122223333:trail/*"
                ]
            },
        },
    }
    assert by_service["DescribeForTrail"]["Condition"] == {
        "StringEquals": {"aws:SourceArn": [trail]}
    }
    assert by_service["TellFindings"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert by_service.keys() == {"EncryptTrail", "DescribeForTrail", "TellFindings"}


TOPIC = "arn:aws:sns:us-east-1:111122223333:hokusai-findings"


def mails(**values: Any) -> FindingsByMail:  # noqa: ANN401 - arguments of any type
    args: dict[str, Any] = {
        "account_id": ACCOUNT,
        "region": REGION,
        "topic_name": "hokusai-findings",
        "mail_addresses": ("a@example.com", "b@example.com"),
        "kms_key_arn": KEY,
    }
    return FindingsByMail("findings", FindingsByMailArgs(**args | values))


def test_findings_become_mails_to_everybody_named() -> None:
    reports = {"threats": REPORTS["threats"], "weekly": REPORTS["weekly"]}
    found = inputs(alone(lambda: mails(reports=reports)))
    policy = json.loads(found["TopicPolicy findings-publishers"].pop("policy"))
    pattern = json.loads(found["EventRule findings-threats"].pop("eventPattern"))
    transformer = found["EventTarget findings-threats"].pop("inputTransformer")
    weekly = json.loads(found["EventTarget findings-weekly"].pop("input"))
    mail = {"topic": f"{TOPIC}", "protocol": "email"}
    rule = {name: found[f"EventTarget findings-{name}"].pop("rule") for name in reports}
    assert rule == {"threats": "findings-threats", "weekly": "findings-weekly"}
    assert found == {
        "Topic findings": {"name": "hokusai-findings", "kmsMasterKeyId": KEY},
        "TopicPolicy findings-publishers": {"arn": TOPIC},
        "TopicSubscription findings-mail-1": {**mail, "endpoint": "a@example.com"},
        "TopicSubscription findings-mail-2": {**mail, "endpoint": "b@example.com"},
        "EventRule findings-threats": {
            "description": "GuardDuty findings of medium severity or more"
        },
        "EventTarget findings-threats": {"arn": TOPIC},
        "EventRule findings-weekly": {
            "description": "A mail each Monday, whether anything was found or not",
            "scheduleExpression": "cron(0 8 ? * MON *)",
        },
        "EventTarget findings-weekly": {"arn": TOPIC},
    }
    assert policy["Statement"] == [
        {
            "Sid": "LetRulesPublish",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["sns:Publish"],
            "Resource": [TOPIC],
        }
    ]
    assert pattern == {
        "source": ["aws.guardduty"],
        "detail-type": ["GuardDuty Finding"],
        "detail": {"severity": [{"numeric": [">=", 4]}]},
    }
    assert transformer["inputPaths"].keys() == {"severity", "title", "id"}
    assert json.loads(transformer["inputTemplate"]).startswith(
        "Threat of severity <severity> of 10"
    )
    assert "account 111122223333" in weekly
    assert "region=us-east-1#/findings" in weekly


def test_a_target_waits_until_the_topic_takes_its_events() -> None:
    graph = alone(mails)
    policy = graph.one("aws:sns/topicPolicy:TopicPolicy")
    targets = graph.of("aws:cloudwatch/eventTarget:EventTarget")
    assert len(targets) == len(REPORTS)
    assert all(policy.urn in each.dependencies for each in targets)


def test_each_finding_is_told_once() -> None:
    """Security Hub collects what the others find; its own rule leaves theirs out."""
    pattern = REPORTS["checks"].pattern or {}
    [product] = pattern["detail"]["findings"]["ProductName"]
    assert product == {"anything-but": ["GuardDuty", "IAM Access Analyzer"]}
    assert {"threats", "outside-access"} <= REPORTS.keys()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"mail_addresses": ()}, "name who hears"), ({"mail_addresses": ("me",)}, "'me': not a mail")],
)
def test_findings_that_nobody_hears_of_do_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        mails(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"text": "t"}, "pattern or a schedule"),
        ({"text": "t", "pattern": {"source": ["a"]}, "schedule": "cron(x)"}, "or a schedule"),
        ({"text": "<id>", "pattern": {"source": ["a"]}}, r"names \['id'\]"),
        ({"text": "t", "pattern": {"source": ["a"]}, "values": {"id": "$.id"}}, r"not \['id'\]"),
    ],
)
def test_a_report_that_could_not_be_told_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Report(says="x", **wrong)
