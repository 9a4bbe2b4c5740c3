"""What watches an account: every part, exactly, and each of them left out."""

from collections.abc import Iterable
from typing import Any

import pytest

from hokusai_infra.components.account.audit_baseline import (
    AuditBaseline,
    AuditBaselineArgs,
    AuditPart,
)
from hokusai_infra.recorder import Graph
from tests.infra.recordings import alone, inputs

KEY = "arn:aws:kms:us-east-1:111122223333:key/k"
DETECTOR = {"detectorId": "audit-threats-id"}
NO_PUBLIC_BUCKETS = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
ROLE_OF_CONFIG = "role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
MADE: dict[AuditPart, dict[str, dict[str, Any]]] = {
    AuditPart.TRAIL: {
        "Trail audit-trail": {
            "name": "hokusai-audit",
            "s3BucketName": "logs",
            "kmsKeyId": KEY,
            "isMultiRegionTrail": True,
            "includeGlobalServiceEvents": True,
            "enableLogFileValidation": True,
        }
    },
    AuditPart.THREATS: {
        "Detector audit-threats": {
            "enable": True,
            "findingPublishingFrequency": "FIFTEEN_MINUTES",
        },
        **{
            f"DetectorFeature audit-threats-{name.lower().replace('_', '-')}": {
                **DETECTOR,
                "name": name,
                "status": status,
            }
            for name, status in {
                "S3_DATA_EVENTS": "ENABLED",
                "EBS_MALWARE_PROTECTION": "DISABLED",
                "EKS_AUDIT_LOGS": "DISABLED",
                "LAMBDA_NETWORK_LOGS": "DISABLED",
                "RDS_LOGIN_EVENTS": "DISABLED",
            }.items()
        },
    },
    AuditPart.HISTORY: {
        "Recorder audit-history": {
            "roleArn": f"arn:aws:iam::111122223333:{ROLE_OF_CONFIG}",
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
            "recordingMode": {"recordingFrequency": "CONTINUOUS"},
        },
        "DeliveryChannel audit-history": {
            "s3BucketName": "logs",
            "snapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"},
        },
        "RecorderStatus audit-history": {"name": "audit-history", "isEnabled": True},
    },
    AuditPart.CHECKS: {
        "Account audit-checks": {
            "autoEnableControls": True,
            "controlFindingGenerator": "SECURITY_CONTROL",
            "enableDefaultStandards": False,
        },
        "StandardsSubscription audit-checks": {
            "standardsArn": "arn:aws:securityhub:us-east-1::standards/"
            "aws-foundational-security-best-practices/v/1.0.0"
        },
    },
    AuditPart.OUTSIDE_ACCESS: {
        "Analyzer audit-outside-access": {
            "analyzerName": "audit-outside-access",
            "type": "ACCOUNT",
        }
    },
    AuditPart.DEFAULTS: {
        "AccountPublicAccessBlock audit-no-public-buckets": NO_PUBLIC_BUCKETS,
        "EncryptionByDefault audit-encrypted-disks": {"enabled": True},
        "SnapshotBlockPublicAccess audit-no-public-snapshots": {"state": "block-all-sharing"},
        "ImageBlockPublicAccess audit-no-public-images": {"state": "block-new-sharing"},
        "InstanceMetadataDefaults audit-metadata-by-token": {
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        },
        "AccountPasswordPolicy audit-passwords": {
            "minimumPasswordLength": 16,
            "requireLowercaseCharacters": True,
            "requireUppercaseCharacters": True,
            "requireNumbers": True,
            "requireSymbols": True,
            "passwordReusePrevention": 24,
            "allowUsersToChangePassword": True,
        },
    },
}
ALONE = AuditPart.HISTORY_ROLE
"""Makes nothing without the history that it is for."""


def baseline(parts: Iterable[AuditPart]) -> Graph:
    args = AuditBaselineArgs(
        account_id="111122223333",
        region="us-east-1",
        trail_name="hokusai-audit",
        log_bucket="logs",
        kms_key_arn=KEY,
        parts=frozenset(parts),
    )
    return alone(lambda: AuditBaseline("audit", args))


@pytest.mark.parametrize("part", MADE)
def test_a_part_is_made_without_the_others(part: AuditPart) -> None:
    assert inputs(baseline([part])) == MADE[part]


@pytest.mark.parametrize("part", MADE)
def test_a_part_that_the_account_has_is_left_alone(part: AuditPart) -> None:
    others = [each for each in AuditPart if each != part]
    assert not MADE[part].keys() & inputs(baseline(others)).keys()


def test_the_table_has_every_part() -> None:
    assert {*MADE, ALONE} == {*AuditPart}
    assert inputs(baseline([ALONE])) == {}


def test_a_role_for_config_is_made_where_there_is_none() -> None:
    graph = baseline([AuditPart.HISTORY, AuditPart.HISTORY_ROLE])
    made = graph.one("aws:iam/serviceLinkedRole:ServiceLinkedRole")
    assert made.inputs == {"awsServiceName": "config.amazonaws.com"}
    assert graph.one("aws:cfg/recorder:Recorder").inputs["roleArn"] == made.state["arn"]


def test_recording_starts_when_it_can_deliver_and_checks_start_when_it_records() -> None:
    graph = baseline(AuditPart)
    channel = graph.one("aws:cfg/deliveryChannel:DeliveryChannel")
    status = graph.one("aws:cfg/recorderStatus:RecorderStatus")
    hub = graph.one("aws:securityhub/account:Account")
    standard = graph.one("aws:securityhub/standardsSubscription:StandardsSubscription")
    assert graph.one("aws:cfg/recorder:Recorder").urn in channel.dependencies
    assert channel.urn in status.dependencies
    assert status.urn in hub.dependencies
    assert hub.urn in standard.dependencies
